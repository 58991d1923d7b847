"""Registration and running control, in every scope."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.compat.pynenc_help import WAIT_S, Meetings, runner_of

from abreast import State
from abreast.compat.pynenc import (
    ConcurrencyControlType,
    InvalidTaskOptionsError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationDroppedError,
    InvocationStatus,
    Pynenc,
)

DISABLED, TASK, ARGUMENTS, KEYS = ConcurrencyControlType


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pynenc]:
    app = Pynenc("memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/jobs.db")
    yield app
    app.abreast.close()


# --- registration: what has not started yet is the same work ---


def ids(task: object, *calls: tuple[object, ...]) -> list[int]:
    """For each call the place of the first one that made its invocation."""
    found = [task(*call).invocation_id for call in calls]  # type: ignore[operator]
    return [found.index(id) for id in found]


CALLS = [("a", 1), ("a", 1), ("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (DISABLED, [0, 1, 2, 3]),
        (TASK, [0, 0, 0, 0]),
        (ARGUMENTS, [0, 0, 2, 3]),
        (KEYS, [0, 0, 0, 3]),
    ],
)
def test_registration(app: Pynenc, scope: ConcurrencyControlType, expected: list[int]) -> None:
    @app.task(registration_concurrency=scope, key_arguments=("account",))
    def sync(account: str, page: int) -> int:
        return page

    assert ids(sync, *CALLS) == expected


def test_registration_in_one_parallelize(app: Pynenc) -> None:
    @app.task(registration_concurrency=ARGUMENTS)
    def sync(account: str, page: int = 1) -> int:
        return page

    group = sync.parallelize([("a",), {"account": "a", "page": 1}, sync.args("a", page=2)])
    first, same, other = group
    assert first == same != other


def test_registered_ends_with_the_start() -> None:
    app = Pynenc()
    started, go_on = threading.Event(), threading.Event()

    @app.task(registration_concurrency=TASK)
    def sync() -> str:
        started.set()
        go_on.wait(WAIT_S)
        return sync.invocation.invocation_id

    with runner_of(app):
        first = sync()
        assert started.wait(WAIT_S)
        second = sync()
        assert second != first
        go_on.set()
        assert (first.result, second.result) == (first.invocation_id, second.invocation_id)


def test_the_reused_invocation_keeps_its_arguments() -> None:
    app = Pynenc()

    @app.task(registration_concurrency=KEYS, key_arguments=("account",))
    def sync(account: str, page: int) -> int:
        return page

    first, second = sync("a", 1), sync("a", 2)
    with runner_of(app):
        assert first.result == second.result == 1
    assert second.arguments == {"account": "a", "page": 1}


def test_other_arguments_may_be_refused(app: Pynenc) -> None:
    @app.task(
        registration_concurrency=KEYS,
        key_arguments=("account",),
        on_diff_non_key_args_raise=True,
    )
    def sync(account: str, pages: tuple[int, ...] = (1, 2)) -> None: ...

    sync("a")
    sync("a", (1, 2))
    sync("b", (3,))
    with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError, match="differs in pages"):
        sync("a", (1, 3))


def test_threads_that_register_at_once_get_one_invocation(app: Pynenc) -> None:
    @app.task(registration_concurrency=KEYS, key_arguments=("round",))
    def sync(round: int, thread: int) -> None: ...

    threads, rounds = 8, 30
    together = threading.Barrier(threads)
    found: list[set[str]] = [set() for _ in range(rounds)]

    def register(thread: int) -> None:
        for number in range(rounds):
            together.wait(WAIT_S)
            found[number].add(sync(number, thread).invocation_id)

    running = [threading.Thread(target=register, args=(n,)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(WAIT_S)
    assert [len(ids) for ids in found] == [1] * rounds
    assert len(set.union(*found)) == rounds


def test_several_key_arguments_do_not_run_together() -> None:
    app = Pynenc()

    @app.task(registration_concurrency=KEYS, key_arguments=("one", "two"))
    def sync(one: str, two: str) -> None: ...

    assert ids(sync, ("a/", "b"), ("a", "/b"), ("a/b", ""), ("a", "/b")) == [0, 1, 2, 1]


# --- running: one at a time ---


@pytest.mark.parametrize(
    ("scope", "calls", "met"),
    [
        (DISABLED, [("a", 1), ("a", 1)], True),
        (TASK, [("a", 1), ("b", 2)], False),
        (ARGUMENTS, [("a", 1), ("a", 1)], False),
        (ARGUMENTS, [("a", 1), ("a", 2)], True),
        (KEYS, [("a", 1), ("a", 2)], False),
        (KEYS, [("a", 1), ("b", 1)], True),
    ],
)
def test_running(
    app: Pynenc, scope: ConcurrencyControlType, calls: list[tuple[str, int]], met: bool
) -> None:
    meetings = Meetings(patience_s=WAIT_S if met else 0.05)

    @app.task(running_concurrency=scope, key_arguments=("account",))
    def sync(account: str, page: int) -> bool:
        return meetings.met()

    with runner_of(app):
        invocations = [sync(*call) for call in calls]
        assert [i.result for i in invocations] == [met] * len(calls)


@pytest.mark.parametrize("reroute", [None, True])
def test_held_up_invocations_wait(app: Pynenc, reroute: bool | None) -> None:
    meetings = Meetings(patience_s=0.01)
    given = {} if reroute is None else {"reroute_on_concurrency_control": reroute}

    @app.task(running_concurrency=TASK, **given)
    def sync(number: int) -> bool:
        return meetings.met()

    with runner_of(app):
        assert list(sync.parallelize([(n,) for n in range(5)]).results) == [False] * 5


def test_held_up_invocations_are_dropped_on_request(app: Pynenc) -> None:
    @app.task(running_concurrency=TASK, reroute_on_concurrency_control=False)
    def sync(number: int) -> int:
        return number

    group = sync.parallelize([(n,) for n in range(5)])
    with runner_of(app):
        assert group.invocations[0].result == 0
        for dropped in group.invocations[1:]:
            assert dropped.status is InvocationStatus.CONCURRENCY_CONTROLLED_FINAL
            assert dropped.status.is_final()
            assert dropped.run.state is State.SKIPPED
            with pytest.raises(KeyError, match=r"not found.*limit .*is full") as caught:
                _ = dropped.result
            assert isinstance(caught.value, InvocationDroppedError)


def test_both_controls_together() -> None:
    app = Pynenc()
    started, go_on = threading.Event(), threading.Event()

    @app.task(registration_concurrency=TASK, running_concurrency=TASK)
    def sync(number: int) -> int:
        started.set()
        go_on.wait(WAIT_S)
        return number

    with runner_of(app):
        running = sync(1)
        assert started.wait(WAIT_S)
        waiting, same = sync(2), sync(3)
        assert waiting == same
        assert waiting.status is InvocationStatus.REGISTERED
        assert "held by" in waiting.run.why()
        go_on.set()
        assert [running.result, waiting.result, same.result] == [1, 2, 2]


# --- mistakes ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"registration_concurrency": "some"}, "registration_concurrency must be .*'some'"),
        ({"running_concurrency": 1}, "running_concurrency must be"),
        ({"running_concurrency": KEYS}, "needs key_arguments"),
        ({"running_concurrency": KEYS, "key_arguments": ("b",)}, "names 'b', but .* 'a'"),
        ({"key_arguments": "a"}, "key_arguments must be names"),
        ({"reroute_on_concurrency_control": "no"}, "must be True or False"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": True}, "max_retries"),
        ({"max_retries": 1, "retry_for": ("OSError",)}, "retry_for"),
        ({"priority": 101}, "priority"),
        ({"queue": "emails"}, "abreast worker --task"),
        ({"triggers": []}, "unknown option 'triggers'"),
        ({"max_retrys": 1}, "unknown option 'max_retrys'; known are .*max_retries"),
    ],
)
def test_mistakes_name_the_option(options: dict[str, object], said: str) -> None:
    app = Pynenc()
    with pytest.raises(InvalidTaskOptionsError, match=said):

        @app.task(**options)
        def f(a: int) -> None: ...

    assert not app.tasks


def test_values_may_be_given_as_text_and_tuning_changes_nothing() -> None:
    app = Pynenc()

    @app.task(
        registration_concurrency="task", parallel_batch_size=10, call_result_cache=True,
        disable_cache_args=("x",), queue="default",
    )  # fmt: skip
    def f(a: int) -> None: ...

    assert f(1) == f(2)
