"""The published concurra in its own environment, and abreast, in turn."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from common import Benchmarks, Figure, main
from peers import environment

HERE = Path(__file__).resolve().parent
benchmarks = Benchmarks()


def seconds(*command: str) -> list[float]:
    found: list[float] = json.loads(subprocess.check_output(command, text=True))
    return found


@benchmarks.of("speedup_vs_concurra")
def speedup_vs_concurra(quick: bool) -> dict[str, Figure]:
    """One run of theirs takes 12 seconds: three of theirs, each beside five of ours."""
    count = "16" if quick else "1000"
    python = environment("concurra")
    theirs, ours, values = [], [], []
    for _ in range(1 if quick else 3):
        peer = seconds(python, str(HERE / "peers" / "concurra" / "measure.py"), count, "1")[0]
        mine = seconds(sys.executable, str(HERE / "parts" / "noops.py"), count, "5")
        values += [peer / each for each in mine]
        ours += mine
        theirs.append(peer)
    per_run = [statistics.median(each) / int(count) for each in (ours, theirs)]
    return {"speedup_vs_concurra": Figure(values, *per_run)}


if __name__ == "__main__":
    main("against_concurra", __doc__, benchmarks)
