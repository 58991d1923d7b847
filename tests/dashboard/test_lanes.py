"""Which run lies where: one rule, and the same places in Python and in the browser."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from abreast import Reason, State
from abreast.domain.model import PastAttempt, Task
from abreast.interfaces.bundle import bundle
from abreast.interfaces.lanes import lay_out
from abreast.interfaces.run import Run

CASES = json.loads(Path(__file__).with_name("lane_cases.json").read_text(encoding="utf-8"))
NAMES = [case["name"] for case in CASES]
NOW = 20.0
Place = tuple[str, int | None]

# Puts runs into the model of the dashboard and tells where they lie.
PLACES = """
({runs, now}) => {
  const tasks = [...new Set(runs.map((run) => run.task))];
  const ms = (at) => Math.round(at * 1000);
  const at = (seconds) => new Date(ms(seconds)).toISOString();
  const columns = Object.fromEntries(["id", "task", "group", "label", "state", "created", "ready",
    "started", "ended", "attempt", "flow", "worker"].map((name) => [name, []]));
  const tries = {};
  let [id, created] = [0, 0];
  runs.forEach((run, place) => {
    const begin = run.started === null ? ms(run.created) : ms(run.started);
    const row = {
      id: run.id - id, task: tasks.indexOf(run.task), group: 0, label: null,
      state: STATES.indexOf(run.state), created: ms(run.created) - created, ready: 0,
      started: run.started === null ? null : begin - ms(run.created),
      ended: run.ended === null ? null : ms(run.ended) - begin,
      attempt: run.attempt, flow: null, worker: null,
    };
    for (const name of Object.keys(columns)) columns[name].push(row[name]);
    if (run.tries.length) {
      tries[place] = run.tries.map(([from, to]) => [ms(from) - ms(run.created), ms(to - from)]);
    }
    [id, created] = [run.id, ms(run.created)];
  });
  const model = new Model();
  model.load({
    since: at(0), until: at(now), now: at(now), states: STATES, truncated: false, tasks,
    groups: [""], labels: [], runs: { ...columns, reasons: {}, tries }, instants: [], coming: [],
  });
  model.settle();
  return runs.map(({id}) => {
    const { lane, row } = model.runs.get(id);
    return [lane.name, lane.rows[row]?.some((run) => run.id === id) ? row : null];
  });
}
"""

# The same, one by one in a given order, as live events tell them.
LIVE = """
({runs, order}) => {
  const lane = new Lane("task a", "a");
  const made = runs.map((run) => ({ id: run.id, created: run.created,
    begin: run.started ?? NaN, over: run.ended ?? Infinity, spot: 0, row: 0, placed: 0 }));
  order.forEach((place, number) => {
    lane.put(made[place]);
    if (number % 7 === 0) lane.settle();
  });
  lane.settle();
  return made.map((run) => run.row);
}
"""


def given(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs of a case with all that may be left out."""
    found = []
    for said in case["runs"]:
        state = "running" if said["ended"] is None else "completed"
        run = {"state": state, "tries": [], **said}
        started = run["started"] is not None
        run["attempt"] = len(run["tries"]) + (started and run["state"] != "scheduled")
        found.append(run)
    return found


def made(said: dict[str, Any]) -> Run:
    run = Run(said["id"], Task(said["task"], print), (), {}, float(said["created"]))
    run.state = State(said["state"])
    run.started, run.ended, run.attempt = said["started"], said["ended"], said["attempt"]
    run.history = [PastAttempt(*past, Reason.ERROR, None) for past in said["tries"]]
    return run


def placed(runs: list[dict[str, Any]], since: float = 0.0) -> list[Place]:
    """Where Python puts them."""
    timeline = lay_out([made(run) for run in runs], since, NOW)
    found: list[Place] = []
    for bar in timeline.bars:
        lane = timeline.lanes[bar.lane]
        assert 0 <= bar.row < lane.rows
        if bar.executed is None:
            assert bar.row == lane.rows - 1, "it lies below all others"
        found.append((lane.name, None if bar.executed is None else bar.row))
    return found


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_places(case: dict[str, Any]) -> None:
    assert placed(given(case)) == [(run["lane"], run["row"]) for run in case["runs"]]


def invented(number: int, seed: int = 5) -> list[dict[str, Any]]:
    """Runs at random, with times that meet exactly."""
    chance = random.Random(seed)
    runs = []
    for id in range(1, number + 1):
        created = chance.randrange(100) / 8
        started = None if chance.random() < 0.1 else created + chance.randrange(30) / 8
        ended = None if started is None else started + chance.randrange(24) / 8
        if ended is not None and ended > NOW - 1:
            ended = None
        runs.append({"id": id, "task": chance.choice("abc"), "created": created,
                     "started": started, "ended": ended})  # fmt: skip
    for run in runs:
        if run["started"] is None and run["ended"] is None:
            run["state"] = "pending"
    return given({"runs": runs})


def test_no_run_could_lie_lower() -> None:
    runs = invented(2000)
    lanes: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for run, (lane, row) in zip(runs, placed(runs), strict=True):
        if row is not None:
            lanes.setdefault(lane, {}).setdefault(row, []).append(run)
    assert len(lanes) == 3
    for rows in lanes.values():
        assert sorted(rows) == list(range(len(rows)))
        spans = {
            row: [(run["started"], run["ended"] or float("inf")) for run in members]
            for row, members in rows.items()
        }
        for row, members in rows.items():
            for run in members:
                start = run["started"]
                for lower in range(row):
                    assert any(begin <= start < end for begin, end in spans[lower])


@pytest.fixture(scope="module")
def page(browser: Any) -> Any:
    with browser.new_page() as page:
        script = bundle("timeline/model.js", "Model", "STATES") + "window.Model = Model;"
        lanes = bundle("timeline/lanes.js", "Lane") + "window.Lane = Lane;"
        for text in (script + "window.STATES = STATES;", lanes):
            page.add_script_tag(content=f"{{{text}}}")
        yield page


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_places_in_the_browser(page: Any, case: dict[str, Any]) -> None:
    found = page.evaluate(PLACES, {"runs": given(case), "now": NOW})
    assert found == [[run["lane"], run["row"]] for run in case["runs"]]


def test_many_places_in_the_browser(page: Any) -> None:
    runs = invented(2000)
    found = page.evaluate(PLACES, {"runs": runs, "now": NOW})
    assert [tuple(place) for place in found] == placed(runs)


@pytest.mark.parametrize("seed", range(3))
def test_places_do_not_depend_on_the_order_of_news(page: Any, seed: int) -> None:
    runs = [run for run in invented(300, seed) if run["task"] == "a" and run["started"] is not None]
    order = list(range(len(runs)))
    random.Random(seed).shuffle(order)
    found = page.evaluate(LIVE, {"runs": runs, "order": order})
    assert found == [row for _, row in placed(runs)]
