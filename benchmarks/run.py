"""Measure everything: each script in a process of its own, then one table and one JSON file."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
from common import arguments, beside, head, write
from goals import GOALS, chosen

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "latest.json"
PATIENCE = {"durable": 2400, "service": 400}  # seconds a script may take
USUAL_PATIENCE = 300


def measure(group: str, keys: list[str], quick: bool, target: Path) -> None:
    """Run one script, which writes what it could measure."""
    command = [sys.executable, str(HERE / f"{group}.py"), "--part", "--json", str(target)]
    command += ["--only", ",".join(keys), *(["--quick"] if quick else [])]
    patience = PATIENCE.get(group, USUAL_PATIENCE)
    with subprocess.Popen(command) as process:
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            print(f"{group}.py has not ended after {patience} s; it waits here:", file=sys.stderr)
            show_stacks_and_end(process)
        except BaseException:
            process.kill()
            raise


def show_stacks_and_end(process: subprocess.Popen[bytes]) -> None:
    """End a script that hangs, in a way that lets it end the processes that it has started."""
    if hasattr(signal, "SIGUSR1"):
        process.send_signal(signal.SIGUSR1)
        time.sleep(1)
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()


def main() -> None:
    parser = arguments(__doc__, list(GOALS))
    parser.set_defaults(json=RESULTS)
    options = parser.parse_args()
    keys = chosen(options.only, list(GOALS))
    start = time.monotonic()
    about = machine.describe()
    print(machine.as_text(about))
    print(head(), flush=True)
    figures: dict[str, dict[str, float]] = {}
    behind: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for group in dict.fromkeys(GOALS[key].group for key in keys):
            target = Path(folder) / f"{group}.json"
            mine = [key for key in keys if GOALS[key].group == group]
            measure(group, mine, options.quick, target)
            if target.exists():
                figures.update(json.loads(target.read_text("utf-8")))
                behind.update(json.loads(beside(target).read_text("utf-8"))["behind"])
    figures = {key: figures[key] for key in keys if key in figures}
    print(f"\nmeasured {len(figures)} of {len(keys)} keys in {time.monotonic() - start:.0f} s")
    if not options.quick:
        medians = {key: shown["median"] for key, shown in figures.items()}
        missed = [k for k, m in medians.items() if GOALS[k].reached(m, medians) is False]
        print(f"missed: {', '.join(missed) or 'none'}")
    write(options.json, figures, {"machine": about, "quick": options.quick, "behind": behind})
    print(f"written: {options.json}")
    lacking = [key for key in keys if key not in figures]
    if lacking:
        sys.exit(f"not measured: {', '.join(lacking)}")


if __name__ == "__main__":
    main()
