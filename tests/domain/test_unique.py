"""Unique: its declaration, the keys of runs, and what becomes of a newcomer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abreast import Command, State
from abreast.domain import unique
from abreast.domain.keys import ARGS, Template, text_of
from abreast.domain.model import Run, Task
from abreast.domain.states import ENDED, NOT_STARTED
from abreast.domain.unique import Meeting, Unique
from abreast.errors import UsageError, WrongType

NOW = 1000.0


def work(a: Any, b: Any = 2, *rest: Any, c: Any = 3, **more: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((5,), {}, WrongType, "Unique: key must be a str"),
        (("/pool",), {}, UsageError, "Unique: key '/pool' begins with '/'"),
        ((), {"until": "never"}, UsageError, "Unique: until 'never' is not a duration"),
        ((), {"until": None}, WrongType, "Unique: until must be seconds"),
        ((), {"then": "explode"}, UsageError, "Unique: then must be one of 'join', 'skip'"),
        ((), {"then": "delay"}, UsageError, "Unique: then='delay' needs delay="),
        ((), {"delay": 5}, UsageError, "Unique: delay= belongs to then='delay'"),
        ((), {"then": "delay", "delay": -1}, UsageError, "Unique: delay must be 0 or more"),
    ],
)
def test_a_unique_that_cannot_be(
    arguments: Any, options: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Unique(*arguments, **options)


def test_defaults_and_durations() -> None:
    plain = Unique()
    assert (plain.key, plain.until, plain.then) == (ARGS, "end", Meeting.JOIN)
    late = Unique("", until="5m", then="delay", delay="2s")
    assert (late.until, late.delay) == (300.0, 2.0)
    assert repr(late) == "Unique('', until=300.0, then='delay')"


# -- keys --------------------------------------------------------------------------------------


def key(template: str, *args: Any, fn: Any = work, **kwargs: Any) -> str:
    run = Run(1, Task("t", fn, unique=Unique(template)), args, kwargs, NOW)
    return unique.key_of(run, unique.template_of(run.task))


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1,), {}),
        ((1, 2), {}),
        ((), {"a": 1}),
        ((), {"b": 2, "a": 1}),
        ((1,), {"c": 3}),
    ],
)
def test_the_same_arguments_in_other_words(args: Any, kwargs: Any) -> None:
    assert key(ARGS, *args, **kwargs) == key(ARGS, 1, 2, c=3)


def test_other_arguments_are_other_keys() -> None:
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        *(((value,), {}) for value in (1, "1", None, True, 1.5, [1], {"x": 1}, [], {}, "", [[1]])),
        ((1, 3), {}),
        ((1, 2, 3), {}),
        ((1,), {"d": 3}),
        ((1,), {"c": 4}),
    ]
    keys = [key(ARGS, *args, **kwargs) for args, kwargs in calls]
    assert len(set(keys)) == len(keys)


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.lists(st.booleans()), max_size=4))
def test_the_order_of_a_dict_does_not_matter(value: dict[str, Any]) -> None:
    assert text_of(value) == text_of(dict(reversed(value.items())))
    assert text_of([value]) == text_of((value,))


def test_the_key_of_the_task_and_of_a_template() -> None:
    assert key("", 1) == "t"
    assert key("{a}/{b}", 1) == "t/1/2"
    assert key(ARGS, fn=Command("ls")) == key(ARGS, fn=Command("ls"))


def test_a_run_in_a_key_is_its_id_whatever_its_state() -> None:
    parent = Run(7, Task("p", work), (), {}, NOW)
    before = key(ARGS, parent), key("{a}", parent), key("{a}", [parent])
    parent.state = State.COMPLETED
    assert before == (key(ARGS, parent), key("{a}", parent), key("{a}", [parent]))
    assert before[1] == "t/<run 7>"


def test_arguments_that_do_not_fit_are_a_key_all_the_same() -> None:
    assert key(ARGS, fn=lambda: None) != key(ARGS, 1, 2, fn=lambda: None)


def test_a_key_that_names_nothing() -> None:
    task = Task("t", lambda x: x, unique=Unique("{y}"))
    with pytest.raises(UsageError, match=r"'t': the key of Unique names \{y\}.*it has x"):
        unique.template_of(task)
    with pytest.raises(UsageError, match="fair_by"):
        Template("{", task, "fair_by")


# -- meeting -----------------------------------------------------------------------------------


def a_run(state: State, attempt: int, *options: Any, created: float = NOW, **named: Any) -> Run:
    run = Run(1, Task("t", work, unique=Unique(*options, **named)), (), {}, created)
    run.state, run.attempt = state, attempt
    return run


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("attempt", [0, 1])
@pytest.mark.parametrize("then", list(Meeting))
@pytest.mark.parametrize("until", ["start", "end", 10])
def test_every_meeting(state: State, attempt: int, then: Meeting, until: Any) -> None:
    delay = 1 if then == "delay" else None
    known = a_run(state, attempt)
    for age in (9, 10):
        new = a_run(State.BLOCKED, 0, until=until, then=str(then), delay=delay, created=NOW + age)
        started = attempt > 0 or state not in NOT_STARTED
        counts = {"start": not started, "end": state not in ENDED}.get(until, age < 10)
        if then in ("replace", "delay"):
            counts = counts and not started
        assert unique.meet(known, new) == (then if counts else None)
    assert unique.meet(None, new) is None
    assert unique.meet(new, new) is None


def test_delay_puts_the_start_off() -> None:
    new = a_run(State.BLOCKED, 0, then="delay", delay=5, created=NOW + 1)
    assert unique.first_due(new) == NOW + 6
    for state, wanted in ((State.PENDING, State.SCHEDULED), (State.SCHEDULED, None)):
        change = unique.put_off(a_run(state, 0), new, NOW + 1)
        assert (change and change.target) == wanted
        assert change is None or change.due == NOW + 6
    assert unique.first_due(a_run(State.BLOCKED, 0)) is None


def test_the_errors_name_the_other() -> None:
    known, new = a_run(State.RUNNING, 1, then="fail"), a_run(State.BLOCKED, 0)
    known.given = "the first"
    error = unique.busy(new, known)
    assert error.holder == "the first"
    assert "is the same work and running" in str(error)
    change = unique.skip_duplicate(new, known, NOW)
    assert (change.target, str(change.reason)) == (State.SKIPPED, "duplicate")
    assert "'the first'" in str(change.error)
