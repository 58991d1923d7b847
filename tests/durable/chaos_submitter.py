"""A submitter of the kill -9 test: submits for as long as it lives, some work of every kind.

``python -m tests.durable.chaos_submitter FILE SEED``: what was acknowledged, and what is known of
its end, is written to FILE.
"""

from __future__ import annotations

import os
import random
import sys
from collections import deque
from typing import Any

from tests.durable import chaos_app as work

_KINDS = ["plain", "keyed", "keyed", "shared", "shared", "also_shared", "flaky", "stepped",
          "parent", "after", "delayed", "flow"]  # fmt: skip
_AHEAD = 30  # runs submitted and not ended, at most


def submit_one(choice: random.Random, earlier: Any) -> tuple[str, Any]:
    """Submit something; returns what kind of run it is, and the run."""
    kind = choice.choice(_KINDS)
    key = choice.choice(work.KEYS)
    if kind == "after" and earlier is not None:
        return kind, work.keyed.with_options(after=[earlier]).submit(key)
    if kind == "delayed":
        return kind, work.shared.with_options(delay=choice.uniform(0, 0.5)).submit(key)
    if kind == "flow":
        with work.app.flow() as flow:
            parts = [flow.add(work.plain, number) for number in range(3)]
            flow.add(work.keyed, key, after=parts)
        return kind, flow.run
    if kind in ("keyed", "shared"):
        return kind, work.app.submit(kind, key)
    if kind in ("plain", "parent"):
        return kind, work.app.submit(kind, 1)
    return ("plain", work.plain.submit(2)) if kind == "after" else (kind, work.app.submit(kind))


def main(path: str, seed: str) -> None:
    choice = random.Random(seed)
    acknowledged = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    mine: deque[Any] = deque()

    def say(*words: object) -> None:
        os.write(acknowledged, (" ".join(map(str, words)) + "\n").encode())

    while True:
        kind, run = submit_one(choice, mine[-1] if mine else None)
        say("submitted", run.id, kind)
        mine.append(run)
        if choice.random() < 0.04:
            run.cancel()
            say("cancelled", run.id)
        while len(mine) > _AHEAD:
            first = mine.popleft()
            if first.wait(1.0):
                say("ended", first.id, first.state, first.reason or "-")
            else:
                mine.append(first)


if __name__ == "__main__":
    main(*sys.argv[1:])
