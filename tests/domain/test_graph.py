"""Dependencies: what a value refers to, circles, order, and the longest path."""

from __future__ import annotations

import graphlib
import itertools
from collections import OrderedDict, namedtuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abreast.domain.graph import (
    correct_ancestors,
    find_cycle,
    in_order,
    measure_paths,
    runs_in,
    with_results,
)
from abreast.domain.model import Run, Task
from abreast.domain.states import COMPLETED


def nothing() -> None:
    pass


def make_run(number: int, expected: float | None = None) -> Run:
    run = Run(number, Task(f"t{number}", nothing, expected=expected), (), {}, 0.0)
    run.value = f"value {number}"
    run.path = expected or 1.0
    return run


@st.composite
def graphs(draw: st.DrawFn, most: int = 8) -> dict[int, list[int]]:
    """Any directed graph: node -> nodes it waits for."""
    size = draw(st.integers(1, most))
    nodes = st.integers(0, size - 1)
    return {node: draw(st.lists(nodes, max_size=3, unique=True)) for node in range(size)}


@st.composite
def layered(draw: st.DrawFn, most: int = 9) -> list[Run]:
    """Runs free of circles, in an order in which parents may come after children."""
    size = draw(st.integers(1, most))
    times = st.none() | st.integers(1, 20).map(float)
    runs = [make_run(number, draw(times)) for number in range(size)]
    for number, run in enumerate(runs):
        if number:
            at = draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True))
            run.after = tuple(runs[parent] for parent in at)
    return draw(st.permutations(runs))


# -- circles -----------------------------------------------------------------------------------


@given(graphs())
def test_find_cycle_agrees_with_graphlib(graph: dict[int, list[int]]) -> None:
    runs = {node: make_run(node) for node in graph}

    def parents(run: Run) -> list[Run]:
        return [runs[node] for node in graph[run.id]]

    found = [path for run in runs.values() if (path := find_cycle(run, parents))]
    for path in found:
        assert path[0] is path[-1]
        assert len(path) > 1
        assert len(set(path)) == len(path) - 1, f"a run stands twice in {path}"
        for run, parent in itertools.pairwise(path):
            assert parent in parents(run), f"{run} does not wait for {parent}"
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError:
        assert found, f"graphlib sees a circle in {graph}"
    else:
        assert not found, f"graphlib sees no circle in {graph}"


@given(graphs())
def test_find_cycle_sees_a_circle_through_its_start_only(graph: dict[int, list[int]]) -> None:
    runs = {node: make_run(node) for node in graph}

    def reaches(start: int) -> set[int]:
        seen: set[int] = set()
        stack = list(graph[start])
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack += graph[node]
        return seen

    for node, run in runs.items():
        path = find_cycle(run, lambda run: [runs[parent] for parent in graph[run.id]])
        assert (path is not None) == (node in reaches(node)), f"from {node} in {graph}"


def test_a_run_that_waits_for_itself() -> None:
    run = make_run(1)
    assert find_cycle(run, lambda run: [run]) == [run, run]


def test_a_circle_longer_than_the_stack() -> None:
    runs = [make_run(number) for number in range(20_000)]
    path = find_cycle(runs[0], lambda run: [runs[(run.id + 1) % len(runs)]])
    assert path == [*runs, runs[0]]


# -- order -------------------------------------------------------------------------------------


@given(layered())
def test_in_order_puts_parents_first_and_loses_nobody(runs: list[Run]) -> None:
    ordered = in_order(runs)
    assert len(ordered) == len(runs)
    assert set(ordered) == set(runs)
    place = {run: number for number, run in enumerate(ordered)}
    for run in runs:
        for parent in run.after:
            assert place[parent] < place[run], f"{parent} comes after {run}"


def test_in_order_keeps_the_given_order_where_it_can() -> None:
    runs = [make_run(number) for number in range(5)]
    assert in_order(runs) == runs
    assert in_order(runs[::-1]) == runs[::-1]


def test_in_order_ignores_parents_outside() -> None:
    outside, run = make_run(0), make_run(1)
    run.after = (outside,)
    assert in_order([run]) == [run]


# -- longest path ------------------------------------------------------------------------------


def longest_path(run: Run, runs: list[Run]) -> float:
    """The same by brute force: every way down from here, itself included."""
    below = [longest_path(child, runs) for child in runs if run in child.after]
    return (run.task.expected or 1.0) + max(below, default=0.0)


@given(layered())
def test_measure_paths_is_the_longest_path(runs: list[Run]) -> None:
    measure_paths(in_order(runs))
    for run in runs:
        assert run.path == longest_path(run, runs), f"{run} of {[(r, r.after) for r in runs]}"


@given(layered(), st.data())
def test_runs_added_later_correct_their_ancestors(runs: list[Run], data: st.DataObject) -> None:
    ordered = in_order(runs)
    split = data.draw(st.integers(0, len(ordered)))
    measure_paths(ordered[:split])
    for run in ordered[:split]:  # what a store does when runs are blocked
        for parent in run.after:
            parent.children = [*(parent.children or []), run]
    for run in ordered[split:]:  # one at a time, as a running graph grows
        measure_paths([run])
        correct_ancestors([run])
        for parent in run.after:
            parent.children = [*(parent.children or []), run]
    for run in runs:
        assert run.path == longest_path(run, runs), f"{run}, split at {split} of {ordered}"


def test_ancestors_that_have_ended_are_left_alone() -> None:
    first, second, third = (make_run(number) for number in range(3))
    second.after = (first,)
    first.children = [second]
    measure_paths([first, second])
    first.state = COMPLETED
    third.after = (second,)
    second.children = [third]
    measure_paths([third])
    correct_ancestors([third])
    assert (first.path, second.path, third.path) == (2.0, 2.0, 1.0)


def test_measuring_nothing() -> None:
    measure_paths([])


# -- runs inside values ------------------------------------------------------------------------

POOL = [make_run(number) for number in range(4)]
RUNS = st.sampled_from(POOL)
PLAIN = st.integers() | st.text(max_size=3) | st.none()
KEYS = st.integers(0, 9) | st.text(max_size=2) | RUNS


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.sets(KEYS, max_size=3)
        | st.frozensets(KEYS, max_size=3)
    )


VALUES = st.recursive(PLAIN | RUNS, containers, max_leaves=12)


def all_runs(value: Any) -> list[Run]:
    if isinstance(value, Run):
        return [value]
    if isinstance(value, dict):
        return [run for item in (*value.keys(), *value.values()) for run in all_runs(item)]
    if isinstance(value, list | tuple | set | frozenset):
        return [run for item in value for run in all_runs(item)]
    return []


@given(VALUES)
def test_runs_in_finds_every_run(value: Any) -> None:
    found = list(runs_in(value))
    assert sorted(run.id for run in found) == sorted(run.id for run in all_runs(value))


def check_replaced(before: Any, after: Any) -> None:
    if isinstance(before, Run):
        assert after is before.value
        return
    assert type(after) is type(before)
    if not all_runs(before):
        assert after is before, "a part without runs is another object now"
    elif isinstance(before, dict):
        assert len(after) <= len(before)
        for key, item in before.items():
            wanted = key.value if isinstance(key, Run) else key
            if sum((k.value if isinstance(k, Run) else k) == wanted for k in before) == 1:
                check_replaced(item, after[wanted])
    elif isinstance(before, list | tuple):
        assert len(after) == len(before)
        for old, new in zip(before, after, strict=True):
            check_replaced(old, new)
    else:
        assert after == {item.value if isinstance(item, Run) else item for item in before}


@given(VALUES)
def test_with_results_replaces_runs_and_nothing_else(value: Any) -> None:
    before = repr(value)
    check_replaced(value, with_results(value))
    assert repr(value) == before, "the argument itself was changed"


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    "value",
    [
        Pair(POOL[0], 1),
        OrderedDict(a=POOL[0]),
        (run for run in POOL),
        type("Box", (), {"run": POOL[0]})(),
        type("Own", (list,), {})([POOL[0]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_objects_of_other_kinds_pass_untouched(value: Any) -> None:
    assert list(runs_in(value)) == []
    assert with_results(value) is value


def test_a_result_that_is_itself_a_container_is_passed_as_it_is() -> None:
    run = make_run(9)
    run.value = [1, [2]]
    assert with_results([run])[0] is run.value
    assert with_results({"a": (run,)})["a"][0] is run.value


@pytest.mark.parametrize("depth", [1, 20, 300])
def test_nesting_of_any_depth_passes(depth: int) -> None:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    assert list(runs_in(value)) == []
    assert with_results(value) is value


def test_a_list_that_contains_itself_passes() -> None:
    value: list[Any] = [1]
    value.append(value)
    assert list(runs_in(value)) == []
    assert with_results(value) is value
