"""kill -9 of anything at any time: nothing is lost, nothing ends twice, limits hold throughout.

20 seconds of it by default, ``make chaos`` for longer: ``CHAOS_SECONDS=180``. ``CHAOS_SEED=7``
kills in the order of an earlier test, though never at quite the same moments.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from tests.durable.chaos import DRAIN_S, Chaos
from tests.durable.slots import take

from abreast import App
from abreast.interfaces.care import check

SECONDS = float(os.environ.get("CHAOS_SECONDS", "20"))
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
pytestmark = [pytest.mark.needs("linux"), pytest.mark.timeout(SECONDS + DRAIN_S + 120)]

COMPLETED, FAILED, CANCELLED, SKIPPED = 4, 5, 6, 7


def test_kill_minus_9_of_anything(tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, SEED)
    with App(f"sqlite:///{chaos.store}") as app:
        app.counts()  # makes the store
        chaos.prepare()
        try:
            chaos.start()
            chaos.rage(SECONDS)
            chaos.drain()
        finally:
            chaos.close()
        trouble = [
            *chaos.trouble, *wrong_ends(chaos), *what_tasks_saw(chaos), *left_over(chaos),
            *(f"check: {line}" for line in check(app)), *chaos.survivors(),
        ]  # fmt: skip
    summary(chaos)
    assert not trouble, "\n".join([f"{len(trouble)} problems; {chaos.where()}", *trouble[:50]])


def test_a_broken_limit_would_be_seen(tmp_path: Path) -> None:
    path = str(tmp_path / "key")
    held = [take(path, 2) for _ in range(3)]
    assert held[2] is None
    for fd in held[:2]:
        assert fd is not None
        os.close(fd)
    again = take(path, 2)
    assert again is not None
    os.close(again)


def wrong_ends(chaos: Chaos) -> list[str]:
    """Every run has ended, once, and in a way that is right."""
    wrong = []
    runs, cancelled, seen = chaos.acknowledged()
    found = {row[0]: row[1:] for row in chaos.read("SELECT id, state, reason FROM runs")}
    flows = {row[0] for row in chaos.read("SELECT id FROM flows")}
    wrong += [f"run {id} ({kind}) was lost" for id, kind in runs.items() if id not in found]
    for id, (state, reason) in found.items():
        # A run whose process died three times fails, with it a flow, and what comes after it.
        right = (
            state == COMPLETED
            or (state, reason) == (FAILED, "crashed")
            or (state, reason) == (SKIPPED, "dependency")
            or (id in flows and (state, reason) == (FAILED, "error"))
            or (runs.get(id) == "parent" and (state, reason) == (FAILED, "error"))
            or (state, reason) == (CANCELLED, "user")
            # it was asked to end while it was about to fail, and is not tried again
            or (
                runs.get(id) == "flaky" and id in cancelled and (state, reason) == (FAILED, "error")
            )
        )
        if not right:
            wrong.append(f"run {id} ({runs.get(id)}) has state {state} ({reason})")
        if id in seen and seen[id].split()[0] != _NAMES[state]:
            wrong.append(f"run {id} was seen {seen[id]}, and is {_NAMES[state]} ({reason})")
    ends = Counter(row[0] for row in chaos.read("SELECT run FROM chaos_ends"))
    wrong += [f"run {id} ended {count} times" for id, count in ends.items() if count != 1]
    wrong += [f"no end of run {id} was written" for id in found if id not in ends]
    completed = {int(line[1]) for line in chaos.notes() if line[0] == "done"}
    for id, (state, _) in found.items():
        if state == COMPLETED and id not in completed | flows:
            wrong.append(f"run {id} completed and was never executed")
    return wrong


_NAMES = {COMPLETED: "completed", FAILED: "failed", CANCELLED: "cancelled", SKIPPED: "skipped"}


def what_tasks_saw(chaos: Chaos) -> list[str]:
    """No limit was broken, no attempt was executed twice."""
    notes = chaos.notes()
    wrong = [f"run {id}: {' '.join(rest)}" for what, id, *rest in notes if what == "broken"]
    begun = Counter((line[1], line[2]) for line in notes if line[0] == "begin")
    wrong += [f"attempt {n} of run {id} began {count} times"
              for (id, n), count in begun.items() if count > 1]  # fmt: skip
    return wrong


def left_over(chaos: Chaos) -> list[str]:
    """No row says that something goes on."""
    wrong = []
    for sql, what in [
        ("SELECT id, worker FROM runs WHERE state = 3", "runs and their workers, still running"),
        ("SELECT id, pid FROM workers WHERE state <> 'gone'", "workers that have not left"),
        ("SELECT name, held FROM keys WHERE held <> 0", "limits with units held"),
        ("SELECT run, key FROM units", "units held"),
        ("SELECT * FROM releases", "releases not carried through"),
        ("SELECT id, h_id FROM lanes WHERE h_id IS NOT NULL", "lanes with runs in them"),
        ("SELECT * FROM uniques", "known work that has ended"),
    ]:
        rows = chaos.read(sql)
        wrong += [f"{what}: {rows[:10]}"] if rows else []
    signs = [path.name for path in Path(f"{chaos.store}.d", "workers").iterdir()]
    return wrong + ([f"signs of life of dead workers: {signs}"] if signs else [])


def summary(chaos: Chaos) -> None:
    """Shown with ``-s``, and when the test fails."""
    runs, _, _ = chaos.acknowledged()
    states = chaos.read("SELECT state, reason, count(*) FROM runs GROUP BY 1, 2")
    crashes = chaos.read("SELECT sum(crashes) FROM runs")[0][0]
    print(
        f"\n{len(runs)} submits acknowledged; kills {dict(chaos.kills)}; {crashes} crashes of runs"
    )
    print(", ".join(f"{count} {_NAMES.get(state, state)}({reason or ''})"
                    for state, reason, count in states), f"; seed {SEED}")  # fmt: skip
