"""What notices say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from abreast.interfaces.notices import texts
from abreast.interfaces.notices.texts import Around, write

AT = 1795221000.0  # 2026-11-21 00:30:00 UTC
AROUND = Around("jobs", "web1", "Europe/Berlin", "https://jobs.example.com", "/etc/abreast")
RUN = {"id": 12, "label": "for acme", "state": "failed", "reason": "error",
       "error": "ValueError: no such file\nhint: look", "created": AT, "started": AT + 3.2,
       "ended": AT + 9.4, "attempts": 4, "trigger": "schedule nightly"}  # fmt: skip


def end(event: str, **more: Any) -> dict[str, Any]:
    return {"event": event, "task": "nightly", "run": {**RUN, **more}}


def test_a_failure_in_full() -> None:
    found = write(end("failure"), AROUND, "12-1")
    assert found.subject == "[jobs on web1] nightly failed: ValueError: no such file"
    assert (
        found.text
        == """\
Task nightly failed.

What     run 12 'for acme' failed(error) after 4 attempts
Why      ValueError: no such file
         hint: look
When     started 2026-11-21 01:30:03 CET, ended 2026-11-21 01:30:09 CET (6.20 s)
By       schedule nightly
Where    jobs on web1
Zone     times are in Europe/Berlin

https://jobs.example.com/api/v1/runs/12

To look further, on web1, in /etc/abreast:
    abreast show 12
    abreast logs 12
"""
    )


def test_the_document_has_it_all() -> None:
    found = write(end("failure"), AROUND, "12-1")
    document = json.loads(json.dumps(found.document))
    assert document["schema"] == 1
    assert document["id"] == found.id == "12-1"
    assert document["event"] == found.event == "failure"
    assert document["task"] == found.task == "nightly"
    assert document["run"]["started"] == "2026-11-21T00:30:03.200000+00:00"
    assert document["run"]["attempts"] == 4
    assert document["url"] == "https://jobs.example.com/api/v1/runs/12"
    assert (document["app"], document["host"]) == ("jobs", "web1")
    assert document["timezone"] == "Europe/Berlin"
    assert document["subject"] == found.subject
    assert document["text"] == found.text


@pytest.mark.parametrize(
    ("data", "subject"),
    [
        (end("failure", reason="timeout", error="took too long"),
         "nightly failed (timeout): took too long"),
        (end("failure", reason="crashed", error=None), "nightly failed (crashed)"),
        (end("recovery", state="completed", reason=None, error=None), "nightly works again"),
        (end("success", state="completed", reason=None, error=None), "nightly completed"),
        ({"event": "missed", "task": "a", "tasks": ["a"], "count": 1, "missed": [
            {"schedule": "a", "task": "a", "at": AT, "until": None, "count": 1, "reason": None}]},
         "a missed 1 instant"),
        ({"event": "missed", "task": "a", "tasks": ["a", "b"], "count": 9, "missed": [
            {"schedule": "a", "task": "a", "at": AT, "until": AT + 60, "count": 2, "reason": "x"},
            {"schedule": "b", "task": "b", "at": AT, "until": None, "count": 1, "reason": "y"}]},
         "2 schedules missed 9 instants"),
        ({"event": "late", "task": "a", "schedule": "a", "instant": AT, "late_seconds": 400.0,
          "started": None, "run": {"id": 7}}, "a has not started, 6 min 40 s after its time"),
        ({"event": "late", "task": "a", "schedule": "a", "instant": AT, "late_seconds": 400.0,
          "started": AT + 400, "run": {"id": 7}}, "a started 6 min 40 s late"),
        ({"event": "starved", "task": "a", "key": "/openai", "since": AT, "waited_seconds": 640.0,
          "waiting": 4, "holders": [3, 4], "run": {"id": 7}},
         "a waits for the limit '/openai' for 10 min 40 s"),
        ({"event": "test", "channel": "ops", "at": AT}, "test of the channel 'ops'"),
    ],
)  # fmt: skip
def test_every_kind_has_its_words(data: dict[str, Any], subject: str) -> None:
    for around in (AROUND, Around("jobs", "web1")):
        found = write(data, around, "1")
        assert found.subject == f"[jobs on web1] {subject}"
        assert "{" not in found.text
        assert found.text.endswith("\n")
        assert ("https://" in found.text) is (around.url is not None)
        json.dumps(found.document)


def test_missed_instants_are_listed_with_their_zone() -> None:
    rows = [{"schedule": "a", "task": "a", "at": AT, "until": AT + 3600, "count": 60,
             "reason": "nobody was there"}]  # fmt: skip
    data = {"event": "missed", "task": "a", "tasks": ["a"], "count": 75, "missed": rows}
    text = write(data, AROUND, "1").text
    assert ("Missed   a, 2026-11-21 01:30:00 CET to 2026-11-21 02:30:00 CET, 60 instants: "
            "nobody was there\n") in text  # fmt: skip
    assert "Missed   and 15 instants more\n" in text


def test_who_holds_a_limit_is_named() -> None:
    data = {"event": "starved", "task": "a", "key": "", "since": AT, "waited_seconds": 640.0,
            "waiting": 1, "holders": list(range(15)), "run": {"id": 7}}  # fmt: skip
    found = write(data, AROUND, "1")
    assert "limit 'a'" in found.subject
    assert "Held by  run 0, run 1, " in found.text
    assert " and 5 more\n" in found.text
    assert "Held by  nobody\n" in write({**data, "holders": []}, AROUND, "1").text


def test_a_run_that_never_started() -> None:
    text = write(end("failure", started=None), AROUND, "1").text
    assert "never started; submitted 2026-11-21 01:30:00 CET" in text


def test_nothing_breaks_a_subject() -> None:
    data = {**end("failure", error="x\r\nBcc: a@b\n" * 100), "task": "a\r\nBcc: evil@example.com"}
    found = write(data, AROUND, "1")
    assert found.subject.isprintable()
    assert len(found.subject) <= 160


def test_a_zone_nobody_knows_is_utc() -> None:
    assert texts.when(AT, "Nowhere/Land") == "2026-11-21 00:30:00 UTC"
    assert texts.when(None, "UTC") == "–"
