"""Submitters and workers on one file, and somebody who kills processes at random, with -9."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
WORKERS = ["process", "thread", "process"]
SUBMITTERS = 2
DRAIN_S = 60.0  # for what is left when the killing has ended
_LEAVE_S = 20.0
_PACE = threading.Event()  # never set; time between two deaths, or two looks at the store

# Every end of a run is counted by the database itself, whoever writes it.
_AUDIT = """
CREATE TABLE chaos_ends (run INTEGER NOT NULL, before INTEGER NOT NULL, after INTEGER NOT NULL);
CREATE TRIGGER chaos_ends AFTER UPDATE OF state ON runs
    WHEN (NEW.state > 3) <> (OLD.state > 3) OR (OLD.state > 3 AND NEW.state <> OLD.state)
    BEGIN INSERT INTO chaos_ends VALUES (NEW.id, OLD.state, NEW.state); END;
CREATE TRIGGER chaos_never AFTER INSERT ON runs WHEN NEW.state > 3
    BEGIN INSERT INTO chaos_ends VALUES (NEW.id, 0, NEW.state); END;
"""


class Chaos:
    """The processes, and what they leave behind in a folder.

    Parameters
    ----------
    folder : Path
        Where the store is made, with everything that tells what happened.
    seed : int
        Says which processes are killed, and when.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.store = folder / "jobs.db"
        self.kills: Counter[str] = Counter()
        self.trouble: list[str] = []
        self._choice = random.Random(seed)
        self._seed = seed
        self._live: dict[str, subprocess.Popen[bytes]] = {}
        self._made: Counter[str] = Counter()
        for name in ("locks", "steps", "output"):
            (folder / name).mkdir()
        self._env = {
            **os.environ,
            "ABREAST_STORE": f"sqlite:///{self.store}",
            "CHAOS_FOLDER": str(folder),
            "PYTHONPATH": str(ROOT),
        }

    def prepare(self) -> None:
        """Let the database count ends. The store exists already."""
        with closing(sqlite3.connect(self.store)) as db:
            db.executescript(_AUDIT)

    # -- processes ----------------------------------------------------------------------------

    def _start(self, role: str) -> None:
        """Start the process of a role: ``worker-0``, ``submitter-1``."""
        kind, _, number = role.partition("-")
        self._made[role] += 1
        name = f"{role}.{self._made[role]}"
        if kind == "worker":
            words = ["abreast", "worker", "tests.durable.chaos_app:app", "--concurrency", "3",
                     "--executor", WORKERS[int(number)]]  # fmt: skip
        else:
            words = ["tests.durable.chaos_submitter", f"{self.folder}/{name}.runs",
                     f"{self._seed} {name}"]  # fmt: skip
        with open(self.folder / "output" / name, "wb") as output:
            self._live[role] = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=ROOT, env=self._env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    def start(self) -> None:
        for number in range(len(WORKERS)):
            self._start(f"worker-{number}")
        for number in range(SUBMITTERS):
            self._start(f"submitter-{number}")

    def rage(self, seconds: float) -> None:
        """Kill for so long; whoever dies is started again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            _PACE.wait(self._choice.uniform(0.05, 0.5))
            kind = "worker" if self._choice.random() < 0.75 else "submitter"
            self._kill(self._choice.choice([role for role in self._live if kind in role]))
            self._look_after()

    def _kill(self, role: str) -> None:
        """Kill the process of a role, or one below it."""
        process = self._live[role]
        victim, kind = psutil.Process(process.pid), role.partition("-")[0]
        try:
            if kind == "worker" and self._choice.random() < 0.7:
                nurseries = victim.children()
                children = [child for nursery in nurseries for child in nursery.children()]
                if children and self._choice.random() < 0.8:
                    victim, kind = self._choice.choice(children), "child"
                elif nurseries:
                    victim, kind = self._choice.choice(nurseries), "nursery"
                elif self._choice.random() < 0.5:
                    return  # let it live to have children
            victim.kill()
        except psutil.NoSuchProcess:
            return
        self.kills[kind] += 1
        if victim.pid == process.pid:
            process.wait(10)

    def _look_after(self) -> None:
        for role, process in list(self._live.items()):
            code = process.poll()
            if code is None:
                continue
            if code != -signal.SIGKILL:
                self.trouble.append(f"{role}.{self._made[role]} ended with {code}; see its output")
            if len(self.trouble) < 10:
                self._start(role)

    # -- the end ------------------------------------------------------------------------------

    def drain(self) -> None:
        """No more submits, no more deaths: workers do what is left, and leave."""
        for role in [role for role in self._live if role.startswith("submitter")]:
            process = self._live.pop(role)
            process.kill()
            process.wait(10)
        end = time.monotonic() + DRAIN_S
        while (left := self._unfinished()) and time.monotonic() < end:
            self._look_after()
            _PACE.wait(0.1)
        if left:
            self.trouble.append(f"{left} runs have not ended {DRAIN_S:g} s after the last kill")
        for process in self._live.values():
            process.terminate()
        for role, process in self._live.items():
            try:
                code: int | str = process.wait(_LEAVE_S)
            except subprocess.TimeoutExpired:
                code = f"no end within {_LEAVE_S:g} s after SIGTERM"
            if code != 0:
                self.trouble.append(f"{role}.{self._made[role]}: {code}; see its output")

    def _unfinished(self) -> int:
        return int(self.read("SELECT count(*) FROM runs WHERE state < 4")[0][0])

    def close(self) -> None:
        """End what still lives."""
        for process in self._live.values():
            if process.poll() is None:
                process.kill()
                process.wait(10)

    def survivors(self) -> list[str]:
        """Processes of ours that outlived all workers."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            # not by their environment: where a process shows a title, that is overwritten
            if process.pid != os.getpid() and self._holds_files(process.pid):
                found.append(f"process {process.pid} still lives: {process.info['cmdline']}")
        return found

    def _holds_files(self, pid: int) -> bool:
        try:
            return any(
                os.readlink(path).startswith(f"{self.folder}/")
                for path in Path(f"/proc/{pid}/fd").iterdir()
            )
        except OSError:  # it has ended meanwhile, or is somebody else's
            return False

    # -- what it left ---------------------------------------------------------------------------

    def read(self, sql: str) -> list[Any]:
        """Ask the database, past the app."""
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(sql).fetchall()

    def notes(self) -> list[list[str]]:
        """What the tasks wrote, line by line."""
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split(" ", 3) for line in lines]

    def acknowledged(self) -> tuple[dict[int, str], set[int], dict[int, str]]:
        """What the submitters wrote: runs and their kind, those cancelled, the ends they saw."""
        runs: dict[int, str] = {}
        cancelled: set[int] = set()
        ended: dict[int, str] = {}
        for path in self.folder.glob("submitter-*.runs"):
            for line in path.read_text().splitlines():
                word, id, *rest = line.split()
                if word == "submitted":
                    runs[int(id)] = rest[0]
                elif word == "cancelled":
                    cancelled.add(int(id))
                else:
                    ended[int(id)] = " ".join(rest)
        return runs, cancelled, ended

    def where(self) -> str:
        """Where to look."""
        return (
            f"seed {self._seed} (CHAOS_SEED={self._seed}); store {self.store}; what the tasks "
            f"noted {self.folder}/notes; what processes printed {self.folder}/output/; "
            f"kills {dict(self.kills)}"
        )
