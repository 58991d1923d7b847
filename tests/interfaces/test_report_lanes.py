"""Where runs lie on the timeline, on invented runs with plain numbers for times."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from abreast import Reason, State
from abreast.domain.model import PastAttempt, Task
from abreast.interfaces.lanes import Kind, lay_out, look, pieces
from abreast.interfaces.run import Run


def run(name: str, number: int = 1, **fields: Any) -> Run:
    made = Run(number, Task(name, print), (), {}, 0.0)
    made.state = State.COMPLETED if fields.get("ended") is not None else State.RUNNING
    made.attempt = 1 if fields.get("started") is not None else 0
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def stretches(one: Run, until: float = 10.0) -> list[tuple[str, float, float]]:
    return [(str(piece.kind), piece.start, piece.end) for piece in pieces(one, 0.0, until)]


def test_a_wait_is_split_into_dependencies_and_slot() -> None:
    parent = run("parent", started=0.0, ended=2.0)
    child = run("child", started=3.0, ended=5.0, ready=2.0, after=(parent,))
    assert stretches(child) == [("dependency", 0, 2), ("slot", 2, 3), ("run", 3, 5)]
    assert stretches(run("alone", started=1.0, ended=2.0)) == [("slot", 0, 1), ("run", 1, 2)]


def test_retries_are_parts_of_one_bar() -> None:
    past = [PastAttempt(1.0, 2.0, Reason.ERROR, None), PastAttempt(4.0, 5.0, Reason.ERROR, None)]
    again = run("again", started=8.0, ended=9.0, ready=7.0, attempt=3, history=past)
    assert stretches(again) == [
        ("slot", 0, 1), ("tried", 1, 2), ("delay", 2, 4), ("tried", 4, 5),
        ("delay", 5, 7), ("slot", 7, 8), ("run", 8, 9),
    ]  # fmt: skip
    again.state, again.ended, again.attempt = State.SCHEDULED, None, 2
    assert stretches(again)[-2:] == [("tried", 4, 5), ("delay", 5, 10)]
    assert look(again) == "retrying"


def test_what_never_started_only_waited() -> None:
    parent = run("parent", started=0.0, ended=2.0, state=State.FAILED)
    child = run("child", ended=2.0, state=State.SKIPPED, after=(parent,))
    assert stretches(child) == [("dependency", 0, 2)]
    assert stretches(run("open", state=State.PENDING)) == [("slot", 0, 10)]


def test_no_time_lies_before_the_start_of_the_runner() -> None:
    early = run("early", created=0.0, ready=0.0, started=6.0, ended=7.0)
    timeline = lay_out([early], 5.0, 100.0)
    assert timeline.origin == 5.0
    assert timeline.seconds == 2.0
    assert [(piece.kind, piece.start) for piece in timeline.bars[0].pieces] == [
        (Kind.SLOT, 0.0), (Kind.RUN, 1.0),
    ]  # fmt: skip


def test_a_lane_is_as_thick_as_its_concurrency() -> None:
    runs = [
        run("work", 1, started=0.0, ended=4.0),
        run("work", 2, started=0.0, ended=2.0),
        run("work", 3, started=2.0, ended=3.0),
        run("other", 4, started=1.0, ended=2.0),
        run("work", 5, ended=3.0, state=State.SKIPPED),
    ]
    timeline = lay_out(runs, 0.0, 4.0)
    assert [(lane.name, lane.rows) for lane in timeline.lanes] == [("work", 3), ("other", 1)]
    places = [(bar.lane, bar.row) for bar in timeline.bars]
    assert places == [(0, 0), (0, 1), (0, 1), (1, 0), (0, 2)]


def test_with_many_names_chains_share_rows() -> None:
    heads = [run(f"head {n}", n, started=0.0, ended=1.0 + n / 100) for n in range(30)]
    tails = [
        run(f"tail {n}", n, started=2.0, ended=3.0, ready=2.0, after=(heads[29 - n],))
        for n in range(30)
    ]
    timeline = lay_out([*heads, *tails], 0.0, 3.0)
    assert [(lane.name, lane.rows) for lane in timeline.lanes] == [("", 30)]
    for n in range(30):
        assert timeline.bars[30 + n].row == timeline.bars[29 - n].row


@pytest.mark.parametrize("number", [0, 1])
def test_few_runs(number: int) -> None:
    timeline = lay_out([run("one", started=0.0, ended=1.0)][:number], 0.0, 1.0)
    assert len(timeline.bars) == len(timeline.lanes) == len(timeline.critical) == number


def test_no_two_bars_of_a_row_overlap() -> None:
    import random

    chance = random.Random(7)
    runs = []
    for number in range(3000):
        start = chance.random() * 100
        runs.append(run(chance.choice("abc"), number, started=start, ended=start + chance.random()))
    timeline = lay_out(runs, 0.0, 101.0)
    rows: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for bar in timeline.bars:
        assert bar.executed is not None
        rows.setdefault((bar.lane, bar.row), []).append(bar.executed)
    for spans in rows.values():
        spans.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
