"""Who is told what."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from abreast.domain import notices
from abreast.domain.notices import Kind, Late, Missed, RunEnd, Starved
from abreast.domain.states import CANCELLED, COMPLETED, FAILED, SKIPPED, Reason, State


@dataclass(frozen=True)
class Said:
    """Rules as a configuration makes them."""

    on_failure: tuple[str, ...] = ()
    on_recovery: tuple[str, ...] = ()
    on_success: tuple[str, ...] = ()
    on_missed: tuple[str, ...] = ()
    on_late: tuple[str, ...] = ()
    on_starved: tuple[str, ...] = ()
    late_after: float = 300.0
    starved_after: float = 600.0


def end(state: State, reason: Reason | None = None, **more: Any) -> RunEnd:
    said: dict[str, Any] = {"id": 12, "task": "nightly", "label": "nightly", "state": state,
            "reason": reason, "error": None, "created": 100.0, "started": 101.0, "ended": 110.0,
            "attempts": 1}  # fmt: skip
    return RunEnd(**{**said, **more})


EVERYTHING = Said(("ops",), ("ops", "chat"), ("chat", "log"))


def told(found: list[notices.Notice]) -> set[tuple[str, str]]:
    return {(notice.channel, str(notice.kind)) for notice in found}


@pytest.mark.parametrize("reason", [Reason.ERROR, Reason.TIMEOUT, Reason.CRASHED, Reason.LIMIT])
def test_a_failure_is_told_whatever_was_before(reason: Reason) -> None:
    for before in (None, COMPLETED, FAILED):
        found = notices.of_end(end(FAILED, reason), EVERYTHING, before)
        assert told(found) == {("ops", "failure")}
        assert found[0].data["run"]["reason"] == str(reason)


def test_a_success_is_told_when_somebody_wants_to_know() -> None:
    for before in (None, COMPLETED):
        found = notices.of_end(end(COMPLETED), EVERYTHING, before)
        assert told(found) == {("chat", "success"), ("log", "success")}
    assert notices.of_end(end(COMPLETED), Said(("ops",)), None) == []


def test_a_recovery_takes_the_place_of_the_success_where_both_are_heard() -> None:
    found = notices.of_end(end(COMPLETED), EVERYTHING, FAILED)
    assert told(found) == {("ops", "recovery"), ("chat", "recovery"), ("log", "success")}


@pytest.mark.parametrize("state", [CANCELLED, SKIPPED])
def test_what_was_cancelled_or_skipped_is_nobodys_failure(state: State) -> None:
    assert notices.of_end(end(state, Reason.USER), EVERYTHING, FAILED) == []


def test_parts_of_a_flow_leave_it_to_the_flow() -> None:
    assert notices.of_end(end(FAILED, Reason.ERROR, flow=3), EVERYTHING, None) == []
    assert not notices.counts(end(FAILED, Reason.ERROR, flow=3))


def test_there_are_no_notices_about_notices() -> None:
    everybody = Said(*[("ops",)] * 6)
    own = notices.NOTIFY
    assert notices.of_end(end(FAILED, Reason.ERROR, task=own), everybody, None) == []
    assert notices.of_missed([Missed("x", own, 1.0)], lambda task: everybody) == []
    assert notices.of_late(Late("x", own, 0.0, 1, None, 9e9), everybody) == []
    assert notices.of_starved(Starved("k", 0.0, 9e9, 1, own, 1), everybody) == []


@pytest.mark.parametrize(
    ("state", "counts"), [(COMPLETED, True), (FAILED, True), (CANCELLED, False), (SKIPPED, False)]
)
def test_what_says_how_a_task_is_doing(state: State, counts: bool) -> None:
    assert notices.counts(end(state)) is counts


def test_a_notice_says_all_there_is_to_know_and_is_json() -> None:
    what = end(FAILED, Reason.ERROR, error="ValueError: no", attempts=4, trigger="schedule nightly")
    (found,) = notices.of_end(what, EVERYTHING, None)
    assert found.data == {
        "event": "failure",
        "task": "nightly",
        "run": {"id": 12, "label": "nightly", "state": "failed", "reason": "error",
                "error": "ValueError: no", "created": 100.0, "started": 101.0, "ended": 110.0,
                "attempts": 4, "trigger": "schedule nightly"},
    }  # fmt: skip
    assert json.loads(json.dumps(found.data)) == found.data
    assert found.label == "failure of nightly to ops"


def test_a_long_error_keeps_its_ends() -> None:
    (found,) = notices.of_end(
        end(FAILED, Reason.ERROR, error="begin " + "x" * 100_000 + " end"), EVERYTHING, None
    )
    error = found.data["run"]["error"]
    assert len(error) < 5000
    assert error.startswith("begin ")
    assert error.endswith(" end")


def test_an_error_that_is_no_text_is_made_one() -> None:
    (found,) = notices.of_end(end(FAILED, Reason.ERROR, error="no \udcff"), EVERYTHING, None)
    assert found.data["run"]["error"] == "no ?"


# -- schedules ---------------------------------------------------------------------------------


def test_missed_instants_of_one_turn_make_one_notice_for_a_channel() -> None:
    rules = {"a": Said(on_missed=("ops",)), "b": Said(on_missed=("ops", "chat")), "c": Said()}
    missed = [Missed("a", "a", 60.0, 240.0, 4, "nobody was there"), Missed("b", "b", 60.0),
              Missed("b", "b", 120.0), Missed("c", "c", 60.0)]  # fmt: skip
    found = {notice.channel: notice for notice in notices.of_missed(missed, rules.__getitem__)}
    assert set(found) == {"ops", "chat"}
    assert found["ops"].kind is Kind.MISSED
    assert found["ops"].data["count"] == 6
    assert found["ops"].data["tasks"] == ["a", "b"]
    assert found["ops"].data["missed"][0] == {
        "schedule": "a", "task": "a", "at": 60.0, "until": 240.0, "count": 4,
        "reason": "nobody was there",
    }  # fmt: skip
    assert found["chat"].data["count"] == 2
    json.dumps([notice.data for notice in found.values()])


def test_a_long_outage_makes_a_short_notice() -> None:
    missed = [Missed("a", "a", 60.0 * n) for n in range(1000)]
    (found,) = notices.of_missed(missed, lambda task: Said(on_missed=("ops",)))
    assert found.data["count"] == 1000
    assert len(found.data["missed"]) == 20


def test_nothing_missed_is_nothing_told() -> None:
    assert notices.of_missed([], lambda task: EVERYTHING) == []


@pytest.mark.parametrize(
    ("started", "now", "told"),
    [
        (1299.0, 1299.0, False),  # started 299 s late
        (1300.0, 1300.0, True),
        (None, 1299.9, False),  # has not started, and there is still time
        (None, 1300.0, True),
        (1001.0, 9999.0, False),  # started in time, heard of later
    ],
)
def test_what_is_late(started: float | None, now: float, told: bool) -> None:
    rules = Said(on_late=("ops",), late_after=300.0)
    found = notices.of_late(Late("nightly", "task", 1000.0, 7, started, now), rules)
    assert bool(found) is told
    if found:
        assert found[0].data["run"] == {"id": 7}
        assert found[0].data["late_seconds"] == 300.0


def test_a_late_instant_has_one_name_however_often_it_is_seen() -> None:
    rules = Said(on_late=("ops",))
    seen = [Late("n", "n", 1000.0, 7, None, 1400.0), Late("n", "n", 1000.0, 7, 1450.0, 1451.0)]
    assert len({notices.of_late(late, rules)[0].once for late in seen}) == 1


@pytest.mark.parametrize(("now", "told"), [(1599.0, False), (1600.0, True)])
def test_what_is_starved(now: float, told: bool) -> None:
    rules = Said(on_starved=("ops", "ops"))
    what = Starved("/openai", 1000.0, now, 7, "ask", 12, (3, 4))
    found = notices.of_starved(what, rules)
    assert [notice.channel for notice in found] == (["ops"] if told else [])
    if found:
        assert found[0].data["holders"] == [3, 4]
        assert found[0].data["waited_seconds"] == 600.0


def test_who_is_named() -> None:
    assert not notices.speaks(Said())
    assert notices.speaks(Said(on_late=("ops",)))
    assert notices.channels_of([Said(("b",), ("a",)), Said(("b",), on_starved=("c",))]) == [
        "b", "a", "c",
    ]  # fmt: skip
