"""Print how much memory a worker's processes take: the table in docs/running-it-for-real.md.

    .venv/bin/python scripts/memory_per_run.py

PSS counts what processes share once, split among them, so these figures may be added up.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from abreast import App, Command
from abreast.interfaces.stored_run import StoredRun

RUNS = 4
LONGEST_S = 60.0
PLAIN_FILE = """
def run_task(config):
    with open(config["gate"]) as gate:
        gate.read()
"""


def hold(gate: str) -> None:
    """A task of an app: waits until somebody opens the gate."""
    with open(gate) as file:
        file.read()


def pss(processes: list[psutil.Process]) -> float:
    """Megabytes in the middle of these processes."""
    found = sorted(process.memory_full_info().pss / 1e6 for process in processes)
    return found[len(found) // 2]


def titled(word: str) -> list[psutil.Process]:
    """The processes below this one whose title contains a word."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if word in " ".join(process.cmdline())]


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so; gives up after a minute."""
    until = time.monotonic() + LONGEST_S
    while not condition():
        if time.monotonic() > until:
            sys.exit("it did not come to that")
        time.sleep(0.05)


def measure(app: App, what: str, runs: list[StoredRun], gate: str, word: str) -> None:
    """Print what one of these runs takes, then let them end."""
    wait_for(lambda: all(run.state == "running" for run in runs) and len(titled(word)) >= RUNS)
    time.sleep(0.5)  # for what they import
    print(f"{what:52} {pss(titled(word)):6.1f} MB")
    fds = [os.open(gate, os.O_WRONLY) for _ in runs[:1]]
    for fd in fds:
        os.close(fd)
    for run in runs:
        run.result(LONGEST_S)


def main() -> None:
    """Measure and print."""
    from abreast.interfaces.folder.function import FolderFunction

    with tempfile.TemporaryDirectory() as folder, App(f"sqlite:///{folder}/jobs.db") as app:
        gate = f"{folder}/gate"
        os.mkfifo(gate)
        file = Path(folder, "plain.py")
        file.write_text(PLAIN_FILE, encoding="utf-8")
        task = app.task(hold)
        function = FolderFunction(str(file), "run_task", plain=True)
        origin = ("file", str(file))
        plain = app.register("plain", function, {"executor": "process", "fresh": True},
                             origin=origin)  # fmt: skip
        command = app.register("command", Command("cat", gate), {}, origin=origin)
        with app.worker(RUNS, executor="process"):
            runs = [task.submit(gate) for _ in range(RUNS)]
            measure(app, "a run of a task of an app", runs, gate, "abreast: run")
            wait_for(lambda: len(titled("child, idle")) >= RUNS)
            print(f"{'a child that waits for the next run':52} {pss(titled('idle')):6.1f} MB")
            print(f"{'the nursery they come from':52} {pss(titled('nursery')):6.1f} MB")
            runs = [plain.submit({"gate": gate}) for _ in range(RUNS)]
            measure(app, "a run of a plain file with run_task(config)", runs, gate, "abreast: run")
            runs = [command.submit() for _ in range(RUNS)]
            measure(app, "a command: its child, without the program itself", runs, gate,
                    "abreast: run")  # fmt: skip
            print(f"{'this process, with app and worker':52} {pss([psutil.Process()]):6.1f} MB")


if __name__ == "__main__":
    main()
