"""The trace file: events that viewers of Chrome traces understand."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from abreast import Retry, Runner


def give(value: object = None) -> object:
    return value


def fail() -> None:
    raise ValueError("no luck")


def traced(runner: Runner) -> dict[str, list[dict[str, Any]]]:
    events: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in json.loads(runner.run().to_trace())["traceEvents"]:
        events[event["ph"]].append(event)
    return events


def test_runs_waits_arrows_and_names() -> None:
    runner = Runner(2, progress=False)
    first = runner.add(give, label="first")
    runner.add(give, first, label="second")
    events = traced(runner)
    assert [event["name"] for event in events["X"]] == ["first", "second"]
    for event in events["X"]:
        assert isinstance(event["ts"], int)
        assert event["dur"] >= 0
        assert event["args"]["state"] == "completed"
    names = {e["args"]["name"] for e in events["M"] if e["name"] == "process_name"}
    assert names == {"give"}
    assert {e["cat"].split(",")[0] for e in events["b"]} <= {"wait"}
    assert len(events["b"]) == len(events["e"])
    (start,), (finish,) = events["s"], events["f"]
    assert start["id"] == finish["id"]
    assert finish["bp"] == "e"
    source, target = events["X"]
    assert source["ts"] <= start["ts"] <= source["ts"] + source["dur"]
    assert finish["ts"] == target["ts"]
    assert (start["pid"], start["tid"]) == (source["pid"], source["tid"])


def test_every_event_lies_in_a_named_row() -> None:
    runner = Runner(3, progress=False)
    runner.map(give, range(20))
    runner.add(fail)
    events = traced(runner)
    rows = {(e["pid"], e["tid"]) for e in events["M"] if e["name"] == "thread_name"}
    assert {(e["pid"], e["tid"]) for kind in "Xbesfi" for e in events[kind]} <= rows


def test_events_of_a_row_do_not_overlap() -> None:
    runner = Runner(4, progress=False)
    runner.map(give, range(500))
    rows: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for event in traced(runner)["X"]:
        rows[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in rows.values():
        spans.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_attempts_and_what_never_started() -> None:
    runner = Runner(2, progress=False)
    bad = runner.add(fail, retry=Retry(2))
    runner.add(give, after=bad, label="never")
    events = traced(runner)
    assert [event["args"]["attempt"] for event in events["X"]] == [1, 2, 3]
    assert events["X"][0]["args"]["error"] == "ValueError: no luck"
    assert events["X"][2]["args"]["state"] == "failed(error)"
    (mark,) = events["i"]
    assert mark["name"] == "never: skipped(dependency)"


def test_it_is_written_to_a_file(tmp_path: Path) -> None:
    runner = Runner(progress=False)
    runner.add(give, label="größe \udc80")
    text = runner.run().to_trace(tmp_path / "trace.json")
    assert json.loads((tmp_path / "trace.json").read_text(encoding="utf-8")) == json.loads(text)
