"""Bars as signs in columns, on invented runs: a column is a second."""

from __future__ import annotations

import time
from typing import Any

from abreast import State
from abreast.domain.model import PastAttempt, Task
from abreast.domain.model import Run as Record
from abreast.interfaces.lane_text import SIGNS, Frame, Point, plain
from abreast.interfaces.lanes import lay_out
from abreast.interfaces.run_view import Recorded

NOW = 8.0


def run(id: int, **fields: Any) -> Any:
    made = Record(id, Task("a", print), (), {}, 0.0)
    made.state = State.COMPLETED if fields.get("ended") is not None else State.RUNNING
    made.attempt = int(fields.get("started") is not None)
    for name, value in fields.items():
        setattr(made, name, value)
    return Recorded(made)


def lane(*runs: Any, points: tuple[Point, ...] = (), until: float = 10.0, most: int = 4) -> Any:
    """The rows of task ``a``."""
    frame = Frame(0.0, until, NOW, int(until))
    drawn = frame.lanes(lay_out([*runs], 0.0, NOW), {"a": points} if points else {}, most)
    return ["".join(cell.sign for cell in row) for row in drawn["a"].rows]


def test_waits_runs_and_ends() -> None:
    assert lane(run(1, started=2.0, ended=5.0)) == ["░░███   │ "]
    assert lane(run(1, started=2.0, ended=5.0, state=State.FAILED)) == ["░░██✕   │ "]
    assert lane(run(1, started=2.0, ended=5.0, state=State.CANCELLED)) == ["░░██■   │ "]
    assert lane(run(1, started=6.0)) == ["░░░░░░█▶│ "]
    assert lane(run(1, ended=3.0, state=State.SKIPPED)) == ["░░░◇    │ "]
    assert lane(run(1, state=State.PENDING)) == ["░░░░░░░░│ "]


def test_attempts_are_pieces_of_one_bar() -> None:
    past = [PastAttempt(0.0, 3.0, None, None)]
    again = run(1, started=5.0, ended=7.0, attempt=2, history=past)
    assert lane(again) == ["▓▓↻░░██ │ "]


def test_runs_that_touch_are_told_apart() -> None:
    assert lane(run(1, started=0.0, ended=3.0), run(2, started=3.0, ended=6.0)) == ["███▐██  │ "]


def test_what_overlaps_lies_in_rows() -> None:
    runs = [run(id, started=float(id), ended=7.0) for id in range(1, 5)]
    assert lane(*runs, most=2) == ["░██████ │ ", "░░█▐▐██ │ "]


def test_a_failure_is_not_hidden_by_its_neighbours() -> None:
    bad = run(1, started=1.0, ended=1.2, state=State.FAILED)
    good = run(2, started=1.3, ended=3.0)
    assert lane(bad, good, points=(Point(1.1),)) == ["░✕█     │ "]


def test_what_lies_outside_is_cut_off() -> None:
    late = run(2, created=11.0, started=12.0)
    assert lane(run(1, started=-5.0, ended=2.0), late) == ["██      │ "]


def test_instants() -> None:
    points = (Point(3.5), Point(8.5, 0.0, True), Point(50.0), Point(-3.0, 1.0, True))
    assert lane(run(1, started=0.0, ended=6.0), points=points) == ["███◇██  ○ "]
    assert lane(points=(Point(9.0, 3.0, True), Point(10.5, 2.0, True)), until=14.0) == [
        "        │○○╌  "
    ]


def test_axes() -> None:
    now = time.mktime((2026, 11, 21, 12, 30, 0, 0, 0, -1))
    axis = Frame(now - 3600, now, now, 80).axis()
    assert axis.split() == ["11:30", "11:40", "11:50", "12:00", "12:10", "12:20", "12:30"]
    axis = Frame(now - 120, now + 30, now, 100).axis(relative=True)
    assert axis.startswith("-120 s ")
    assert axis[80:].startswith("now ")
    assert axis.endswith("+15 s")
    axis = Frame(now - 7 * 86400, now, now, 100).axis()
    assert axis.split() == [f"2026-11-{day}" for day in range(15, 22)]
    axis = Frame(now - 3.0, now, now, 60).axis()
    assert axis.split() == ["12:29:57", "12:29:58", "12:29:59", "12:30:00"]


def test_signs_in_ascii() -> None:
    text = plain("".join(sign for sign, _ in SIGNS) + "╌│")
    assert text.isascii()
    assert len(set(text)) == len(text)
