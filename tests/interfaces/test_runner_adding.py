"""Adding runs: labels, handles as arguments, ``after=``, and everything that is refused."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from abreast import Command, Limit, Report, Runner, errors

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def runner() -> Runner:
    return Runner(4, progress=False)


def finish(runner: Runner, seconds: float = 15.0) -> Report:
    """Wait until all runs have ended; when they do not, say what each of them waits for."""
    try:
        ended = runner.wait(seconds)
        assert ended, "\n".join(["not ended:", *(r.why() for r in runner.runs if not r.done)])
    finally:
        runner.close()
    return runner.report


def nothing() -> None:
    pass


def other() -> None:
    pass


def give(value: Any) -> Any:
    return value


def labels(runner: Runner) -> list[str]:
    return [run.label for run in runner.runs]


# -- labels ------------------------------------------------------------------------------------


def test_labels_follow_from_the_name_of_the_function(runner: Runner) -> None:
    for fn in (nothing, nothing, other, nothing):
        runner.add(fn)
    assert labels(runner) == ["nothing", "nothing-2", "other", "nothing-3"]


def test_labels_of_map(runner: Runner) -> None:
    assert [run.label for run in runner.map(give, "ab")] == ["give[0]", "give[1]"]
    assert [run.label for run in runner.map(give, "ab", label="x")] == ["x[0]", "x[1]"]
    again = runner.map(give, "a")
    assert again[0].label not in {"give[0]", "x[0]"}


def test_map_zips_like_the_built_in_map(runner: Runner) -> None:
    runs = runner.map(pow, [2, 3, 4], [5, 6])
    finish(runner)
    assert [run.value for run in runs] == list(map(pow, [2, 3, 4], [5, 6]))


def test_map_of_nothing_and_without_iterables(runner: Runner) -> None:
    assert runner.map(give, []) == []
    with pytest.raises(errors.UsageError, match="at least one iterable"):
        runner.map(give)


def test_given_labels_and_names(runner: Runner) -> None:
    first = runner.add(nothing, label="first")
    named = runner.add(nothing, name="job")
    again = runner.add(nothing, name="job")
    assert (first.label, first.name) == ("first", "nothing")
    assert (named.label, named.name) == ("job", "job")
    assert again.label == "job-2"
    assert runner["first"] is first
    assert runner["job-2"] is again
    assert len(runner) == 3
    with pytest.raises(errors.UnknownLabel, match="'missing'"):
        runner["missing"]


def test_a_command_is_called_after_its_program(runner: Runner) -> None:
    assert runner.add(Command("/bin/echo", "x")).label == "echo"
    assert runner.add(Command(shell="echo x | cat")).label == "echo-2"


@pytest.mark.parametrize("taken", ["mine", "nothing", "nothing-2", "give[1]"])
def test_a_label_that_is_taken_is_refused(runner: Runner, taken: str) -> None:
    runner.add(nothing, label="mine")
    runner.add(nothing)
    runner.add(nothing)
    runner.map(give, [1, 2])
    before = labels(runner)
    with pytest.raises(errors.DuplicateLabel, match=taken.replace("[", r"\[")):
        runner.add(other, label=taken)
    assert labels(runner) == before


def test_automatic_labels_go_round_given_ones(runner: Runner) -> None:
    runner.add(other, label="nothing")
    runner.add(other, label="nothing-3")
    for _ in range(3):
        runner.add(nothing)
    assert labels(runner) == ["nothing", "nothing-3", "nothing-2", "nothing-4", "nothing-5"]


def test_names_that_look_like_numbered_labels_stay_apart(runner: Runner) -> None:
    runner.add(nothing, name="a")
    runner.add(nothing, name="a")
    runner.add(nothing, name="a-2")
    runner.add(nothing, name="a")
    assert len(set(labels(runner))) == 4, labels(runner)
    assert len(set(finish(runner))) == 4


def test_map_labels_that_are_taken_leave_nothing_half_done(runner: Runner) -> None:
    runner.add(nothing, label="give[1]")
    try:
        runner.map(give, range(3))
    except errors.DuplicateLabel:
        assert labels(runner) == ["give[1]"], "the map was refused, but a part of it was added"
    assert len(set(labels(runner))) == len(labels(runner))


@pytest.mark.parametrize(
    "label", ["f-²", "-", "-2", "x-", "nothing-0", "nothing-01", "ä ö/ü", "🏃"]
)
def test_any_text_may_be_a_label(runner: Runner, label: str) -> None:
    runner.add(nothing)
    run = runner.add(nothing, label=label)
    assert run.label == label
    assert runner[label] is run


def test_a_refused_run_does_not_use_up_a_number(runner: Runner) -> None:
    with pytest.raises(errors.WrongType):
        runner.add(nothing, after=[5])  # type: ignore[list-item]
    assert runner.add(nothing).label == "nothing"


# -- handles as arguments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda run: run,
        lambda run: [run],
        lambda run: (1, run),
        lambda run: {"key": run},
        lambda run: {"key": [(run, 2), {"deep": run}]},
        lambda run: {run},
        lambda run: frozenset({run}),
        lambda run: {run: "as a key"},
    ],
)
def test_handles_anywhere_in_arguments(runner: Runner, wrap: Callable[[Any], Any]) -> None:
    parent = runner.add(give, "result")
    by_position = runner.add(give, wrap(parent))
    by_name = runner.add(lambda *, value: value, value=wrap(parent))
    assert by_position.after == by_name.after == (parent,)
    finish(runner)
    assert by_position.result() == wrap("result")
    assert by_name.result() == wrap("result")


def test_threads_get_the_very_same_object(runner: Runner) -> None:
    thing = object()
    parent = runner.add(give, thing)
    children = [runner.add(give, [parent]), runner.add(give, parent)]
    finish(runner)
    assert children[0].value[0] is thing
    assert children[1].value is thing


def test_other_arguments_are_passed_as_they_are(runner: Runner) -> None:
    numbers, lock = [1, 2, 3], threading.Lock()
    parent = runner.add(nothing)
    run = runner.add(lambda *args: args, numbers, lock, parent)
    finish(runner)
    assert run.value[0] is numbers
    assert run.value[1] is lock


def test_several_parents_and_both_ways_to_name_them(runner: Runner) -> None:
    a, b, c = (runner.add(give, number, label=str(number)) for number in range(3))
    run = runner.add(give, [a, b, a], after=[b, "2", c])
    assert set(run.after) == {a, b, c}
    assert len(run.after) == 3
    finish(runner)
    assert run.value == [0, 1, 0]


def test_results_that_cannot_be_put_where_they_belong_fail_the_run(runner: Runner) -> None:
    parent = runner.add(give, [])
    run = runner.add(give, {parent})
    after = runner.add(nothing, after=run)
    finish(runner)
    assert run.reason == "error"
    assert isinstance(run.exception, TypeError)
    assert after.reason == "dependency"


def test_an_argument_that_contains_itself(runner: Runner) -> None:
    value: list[Any] = [1]
    value.append(value)
    run = runner.add(give, value)
    finish(runner)
    assert run.value is value


# -- after -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "after",
    [
        lambda run: run,
        lambda run: "parent",
        lambda run: [run],
        lambda run: ("parent",),
        lambda run: {run, "parent"},
        lambda run: (item for item in [run]),
    ],
)
def test_the_forms_of_after(runner: Runner, after: Callable[[Any], Any]) -> None:
    order: list[str] = []
    parent = runner.add(order.append, "parent", label="parent")
    child = runner.add(order.append, "child", after=after(parent))
    assert child.after == (parent,)
    finish(runner)
    assert order == ["parent", "child"]


@pytest.mark.parametrize("nobody", [None, (), []])
def test_after_nobody(runner: Runner, nobody: Any) -> None:
    assert runner.add(nothing, after=nobody).after == ()


@pytest.mark.parametrize("label", ["late", "nothing", "nothing-2", "give[0]"])
def test_labels_may_be_those_of_runs_added_later(runner: Runner, label: str) -> None:
    order: list[str] = []
    child = runner.add(order.append, "child", after=label, label="child")
    runner.add(order.append, "late", label="late")
    runner.add(order.append, "nothing", name="nothing")
    runner.add(order.append, "nothing-2", name="nothing")
    runner.map(order.append, ["give[0]"], label="give")
    finish(runner)
    assert order.index(label) < order.index("child")
    assert [parent.label for parent in child.after] == [label]


def test_several_wait_for_the_same_later_label(runner: Runner) -> None:
    order: list[str] = []
    for number in range(3):
        runner.add(order.append, f"child {number}", after=["late", "later"])
    runner.add(order.append, "late", label="late", after="later")
    runner.add(order.append, "later", label="later")
    finish(runner)
    assert order[:2] == ["later", "late"]
    assert len(order) == 5


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda runner: runner.add(nothing, limits=Limit(1, then="skip")),
        lambda runner: runner.add(nothing, limits=Limit(1, then="fail")),
        lambda runner: runner.cancel(runner.add(nothing)),
    ],
    ids=["then=skip", "then=fail", "cancel"],
)
def test_a_later_label_is_waited_for_whatever_happens_before_the_start(
    runner: Runner, meanwhile: Callable[[Runner], Any]
) -> None:
    order: list[str] = []
    child = runner.add(order.append, "child", after="late", label="child")
    meanwhile(runner)
    late = runner.add(order.append, "late", label="late")
    report = finish(runner)
    assert child.after == (late,)
    assert order == ["late", "child"], report.table()


def test_a_limited_run_waits_for_a_later_label(runner: Runner) -> None:
    order: list[str] = []
    runner.add(order.append, "child", after="late", limits=Limit(1, then="skip"))
    runner.add(order.append, "late", label="late")
    report = finish(runner)
    assert order == ["late", "child"], report.table()


def test_after_a_run_that_has_ended(runner: Runner) -> None:
    good = runner.add(give, 1, label="good")
    bad = runner.add(give, label="bad")  # a TypeError: the argument is missing
    assert runner.wait(10)
    child, orphan = runner.add(give, [good], after="good"), runner.add(nothing, after=bad)
    finish(runner)
    assert child.value == [1]
    assert (orphan.state, orphan.reason) == ("skipped", "dependency")
    assert "'bad'" in str(orphan.exception)


# -- circles and unknown labels ----------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_a_circle_is_refused_when_it_is_closed(runner: Runner, length: int) -> None:
    ring = [f"run {number}" for number in range(length)]
    runner.add(nothing, label="bystander")
    for number, label in enumerate(ring[:-1]):
        runner.add(nothing, label=label, after=ring[(number + 1) % length])
    with pytest.raises(errors.CycleError) as caught:
        runner.add(nothing, label=ring[-1], after=["bystander", ring[0]])
    path = caught.value.path
    assert path[0] == path[-1]
    assert sorted(path[:-1]) == ring
    for label, following in itertools.pairwise(path):
        assert ring[(ring.index(label) + 1) % length] == following, f"not the way round: {path}"
    assert " -> ".join(path) in str(caught.value)
    assert labels(runner) == ["bystander", *ring[:-1]]


def test_after_a_refused_circle_the_label_is_free_again(runner: Runner) -> None:
    runner.add(nothing, label="a", after="b")
    with pytest.raises(errors.CycleError):
        runner.add(nothing, label="b", after=["a", "nobody"])
    runner.add(nothing, label="b")
    assert finish(runner).ok


def test_a_circle_through_automatic_labels_is_refused_before_anything_starts() -> None:
    started: list[str] = []
    runner = Runner(2, progress=False)
    runner.add(started.append, "a", name="a", after="b")
    runner.add(started.append, "b", name="b", after="a")
    runner.add(started.append, "c")
    for _ in range(2):  # asking again does not help
        with pytest.raises(errors.CycleError, match=r"a -> b -> a|b -> a -> b"):
            runner.start()
    assert started == []
    runner.close()


def test_an_unknown_label_is_refused_before_anything_starts(runner: Runner) -> None:
    started: list[str] = []
    runner.add(started.append, "x", label="download")
    runner.add(started.append, "y", label="report", after=["download", "downlaod"])
    with pytest.raises(errors.UnknownLabel) as caught:
        runner.run()
    assert "'downlaod'" in str(caught.value)
    assert "'report'" in str(caught.value)
    assert "did you mean 'download'?" in str(caught.value)
    assert started == []


def test_an_unknown_label_once_it_runs(runner: Runner) -> None:
    gate = threading.Event()
    runner.add(gate.wait, 10, label="download")
    runner.start()
    try:
        with pytest.raises(errors.UnknownLabel, match="did you mean 'download'"):
            runner.add(nothing, after="downlaod")
        assert labels(runner) == ["download"]
    finally:
        gate.set()
    assert finish(runner).ok


# -- wrong input -------------------------------------------------------------------------------

WRONG = [
    ("label", 5),
    ("label", ["x"]),
    ("after", 5),
    ("after", [5]),
    ("after", nothing),
    ("executor", "treadh"),
    ("executor", 5),
    ("executor", "command"),
    ("executor", "coroutine"),
    ("timeout", "soon"),
    ("timeout", -1),
    ("timeout", True),
    ("timeout", [1]),
    ("retry", "often"),
    ("retry", True),
    ("retry", 1.5),
    ("priority", "high"),
    ("priority", True),
    ("limits", "x"),
    ("limits", 0),
    ("limits", 1.5),
    ("limits", [1]),
    ("limits", object()),
    ("needs", ["cpu"]),
    ("needs", 5),
    ("needs", {"cpu": "much"}),
    ("needs", {"cpu": 99}),
    ("needs", {"gpu": 1}),
    ("expected", "long"),
    ("expected", -1),
    ("on_crash", "ignore"),
    ("on_crash", 5),
    ("name", 5),
    ("fresh", "no"),
]
# what the message says when it is not the option's own name
SAID = {"limits": "[Ll]imit", "needs": "needs", "label": "label", "retry": "[Rr]etry"}


@pytest.mark.parametrize(("option", "value"), WRONG, ids=lambda value: repr(value)[:20])
def test_a_wrong_value_names_its_option_and_adds_nothing(option: str, value: Any) -> None:
    runner = Runner(progress=False, pools={"cpu": 4})
    with pytest.raises(errors.UsageError, match=SAID.get(option, option)):
        runner.add(nothing, **{option: value})
    assert len(runner) == 0
    assert runner.add(nothing).label == "nothing"
    assert finish(runner).ok


@pytest.mark.parametrize(
    ("option", "value"), [("timeout", True), ("retry", True), ("limits", True)]
)
def test_true_is_no_number_also_after_the_same_call_with_one(option: str, value: Any) -> None:
    runner = Runner(progress=False)
    runner.add(nothing, **{option: 1})
    with pytest.raises(errors.UsageError):
        runner.add(nothing, **{option: value})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("concurrency", 0),
        ("concurrency", -1),
        ("concurrency", "8"),
        ("concurrency", 2.0),
        ("concurrency", True),
        ("timeout", "soon"),
        ("timeout", -1),
        ("retry", "often"),
        ("executor", "treadh"),
        ("executor", 5),
        ("progress", "loud"),
        ("pools", {"cpu": "much"}),
        ("pools", {"cpu": -1}),
        ("pools", ["cpu"]),
        ("grace", "long"),
        ("grace", -1),
    ],
)
def test_a_wrong_value_of_a_runner_names_its_option(option: str, value: Any) -> None:
    with pytest.raises(errors.UsageError, match=option):
        Runner(**{option: value})


@pytest.mark.parametrize("fn", [None, 5, "print", [nothing]])
def test_what_is_no_task_is_refused(runner: Runner, fn: Any) -> None:
    with pytest.raises(
        errors.WrongType, match="must be a function, an async function or a Command"
    ):
        runner.add(fn)
    assert len(runner) == 0


def test_an_unknown_option_of_map(runner: Runner) -> None:
    with pytest.raises(errors.UsageError, match="unknown option 'timeut'"):
        runner.map(give, [1], timeut=1)
    assert len(runner) == 0


def test_wrong_types_are_type_errors_too_and_unknown_labels_lookup_errors(runner: Runner) -> None:
    with pytest.raises(TypeError):
        runner.add(nothing, timeout=[1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout"):
        runner.add(nothing, timeout=-1)
    with pytest.raises(LookupError):
        runner["nobody"]


def test_a_pool_that_is_not_declared_says_how_to_declare_it(runner: Runner) -> None:
    with pytest.raises(errors.UsageError, match=r"pools=\{'gpu'"):
        runner.add(nothing, needs={"gpu": 1})
    with pytest.raises(errors.UsageError, match="did you mean 'cpu'"):
        Runner(pools={"cpu": 1}).add(nothing, needs={"cqu": 1})


# -- one runner, once --------------------------------------------------------------------------


def test_runs_of_another_runner_are_refused(runner: Runner) -> None:
    stranger = Runner(progress=False).add(give, 1, label="stranger")
    for add in (
        lambda: runner.add(nothing, after=stranger),
        lambda: runner.add(give, stranger),
        lambda: runner.add(give, [{"x": stranger}]),
        lambda: runner.map(give, [stranger]),
    ):
        with pytest.raises(errors.UsageError, match="'stranger' belongs to another runner"):
            add()
    assert len(runner) == 0


def test_cancelling_a_run_of_another_runner_is_refused(runner: Runner) -> None:
    other_runner = Runner(progress=False)
    stranger = other_runner.add(give, 1, label="stranger")
    mine = runner.add(nothing)
    with pytest.raises(errors.UsageError):
        runner.cancel(stranger)
    assert finish(runner).ok
    assert finish(other_runner).ok
    assert (mine.state, stranger.state) == ("completed", "completed")


def test_cancelling_what_does_not_exist(runner: Runner) -> None:
    with pytest.raises(errors.UnknownLabel, match="'nobody'"):
        runner.cancel("nobody")


def test_adding_after_the_end_is_refused(runner: Runner) -> None:
    runner.add(nothing)
    assert runner.run().ok
    with pytest.raises(errors.RunnerClosed, match="has ended"):
        runner.add(nothing)
    with pytest.raises(errors.RunnerClosed):
        runner.map(give, [1])
    assert len(runner) == 1


def test_a_runner_runs_once(runner: Runner) -> None:
    calls: list[int] = []
    runner.add(calls.append, 1)
    runner.run()
    with pytest.raises(errors.RunnerClosed, match="make a new Runner"):
        runner.start()
    with pytest.raises(errors.RunnerClosed):
        runner.run()
    assert calls == [1]


def test_starting_twice_is_harmless(runner: Runner) -> None:
    calls: list[int] = []
    runner.add(calls.append, 1)
    assert runner.start() is runner
    assert runner.start() is runner
    finish(runner)
    assert calls == [1]


def test_an_empty_runner(runner: Runner) -> None:
    report = runner.run()
    assert report.ok
    assert len(report) == 0
    assert report.counts == {}
    assert list(Runner(progress=False)) == []


def test_a_key_that_cannot_be_made_is_refused_before_anything_starts(runner: Runner) -> None:
    started: list[int] = []
    runner.add(started.append, 1)
    with pytest.raises(errors.UsageError, match="no parameter 'tenant'"):  # noqa: PT012
        runner.add(started.append, 2, limits=Limit(1, "{tenant}"))
        with runner:
            runner.start()
    assert started == []


def test_a_refused_run_leaves_no_trace_while_others_go_on(runner: Runner) -> None:
    runner.start()
    for limits in (
        Limit(lambda value: 1 // 0),
        Limit(lambda value: 1 // 0, then="skip"),
        Limit(1, "{tenant}"),
        Limit(1, "{tenant}", then="fail"),
        Limit(2, cost=lambda value: 3),
    ):
        with pytest.raises((ZeroDivisionError, errors.UsageError)):
            runner.add(give, 1, limits=limits)
    assert labels(runner) == []
    good = runner.add(give, 1)
    assert [run.label for run in runner.as_ended(timeout=10)] == [good.label]
    assert finish(runner).ok
