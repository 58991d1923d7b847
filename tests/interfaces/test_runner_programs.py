"""Whole programs: Ctrl-C, threads that never return, and many random programs."""

from __future__ import annotations

import faulthandler
import itertools
import random
import subprocess
import sys
import textwrap
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from abreast import Limit, Retry, Run, Runner
from abreast.domain.states import REASONS

pytestmark = pytest.mark.timeout(60)


# -- programs of their own ---------------------------------------------------------------------

PREAMBLE = """
import asyncio, os, signal, sys, threading, time
from abreast import Command, Runner
def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
def show(runner):
    for run in runner.runs:
        print(run.label, f"{run.state}({run.reason})", flush=True)
"""

Execute = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def execute(tmp_path: Path) -> Execute:
    def execute(program: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "program.py"
        path.write_text(PREAMBLE + textwrap.dedent(program))
        return subprocess.run(
            [sys.executable, "-X", "faulthandler", str(path)],
            capture_output=True,
            text=True,
            timeout=30,
        )

    return execute


def test_a_thread_that_never_returns_does_not_keep_the_program(execute: Execute) -> None:
    done = execute("""
        never = threading.Event()
        with Runner(2, progress=False, timeout=0.1) as runner:
            runner.add(never.wait, label="stuck")
            runner.add(print, "other", label="other")
        show(runner)
        print(len(runner.report.abandoned), "abandoned")
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == [
        *("other", "stuck failed(timeout)", "other completed(None)", "1 abandoned", "")
    ]


def test_a_coroutine_that_never_yields_does_not_keep_the_program(execute: Execute) -> None:
    done = execute("""
        never = threading.Event()
        async def hang():
            never.wait()
        async def fine():
            await asyncio.sleep(0)
        with Runner(1, progress=False, grace=0.1) as runner:
            runner.add(hang, timeout=0.1, label="hangs")
            runner.add(fine, label="fine")
        show(runner)
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["hangs failed(timeout)", "fine completed(None)"]


def test_what_had_not_begun_on_a_loop_that_hangs_goes_to_another() -> None:
    never = threading.Event()

    async def hang() -> None:
        never.wait(30)

    async def fine() -> None:
        pass

    runner = Runner(3, progress=False, grace=0.05)
    runner.add(hang, timeout=0.05, label="hangs", priority=9)
    runs = [runner.add(fine) for _ in range(6)]
    try:
        over = runner.wait(5)
        waiting = [run.why() for run in runs if not run.done]
    finally:
        never.set()
        runner.close()
    assert over, waiting


@pytest.mark.needs("posix")
@pytest.mark.parametrize("how", ["with Runner(3, progress=False) as runner:", "if True:"])
def test_an_interrupt_while_waiting_cancels(execute: Execute, how: str) -> None:
    """The signal is sent by a task, once the others have begun."""
    make = "" if how.startswith("with") else "runner = Runner(3, progress=False)"
    wait = "pass" if how.startswith("with") else "runner.run()"
    done = execute(f"""
        begun = threading.Event()
        def stay():
            begun.set()
            threading.Event().wait()
        async def sleep():
            await asyncio.Event().wait()
        def stop():
            begun.wait()
            interrupt()
            threading.Event().wait()
        {make}
        try:
            {how}
                runner.add(stay)
                runner.add(sleep)
                runner.add(stop)
                runner.add(Command("sleep", "60"), label="never started")
                {wait}
        except KeyboardInterrupt:
            print("interrupted", runner.report.interrupted)
        show(runner)
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "interrupted True",
        *(f"{label} cancelled(user)" for label in ("stay", "sleep", "stop", "never started")),
    ]


@pytest.mark.needs("posix")
def test_an_interrupt_ends_processes_and_commands(execute: Execute, tmp_path: Path) -> None:
    done = execute(f"""
        folder = {str(tmp_path)!r}
        for name in ("a", "b"):
            os.mkfifo(os.path.join(folder, name))
        def stay():
            open(os.path.join(folder, "a"), "w").write(str(os.getpid()))
            time.sleep(60)  # the task sleeps
        def stop():
            pids = [int(open(os.path.join(folder, name)).read()) for name in ("a", "b")]
            print(*pids, flush=True)
            interrupt()
        try:
            with Runner(3, progress=False, grace=5) as runner:
                runner.add(stay, executor="process")
                line = f"echo $$ > {{folder}}/b; exec sleep 60"
                runner.add(Command(shell=line), label="command")
                runner.add(stop)
        except KeyboardInterrupt:
            print("interrupted")
        show(runner)
    """)
    assert done.returncode == 0, done.stderr
    pids, *rest = done.stdout.splitlines()
    assert rest[:3] == ["interrupted", "stay cancelled(user)", "command cancelled(user)"]
    assert rest[3] in {"stop completed(None)", "stop cancelled(user)"}
    for pid in map(int, pids.split()):
        assert not Path(f"/proc/{pid}/cmdline").exists(), f"process {pid} is still there"


@pytest.mark.needs("posix")
def test_an_uncaught_interrupt_ends_the_program(execute: Execute) -> None:
    done = execute("""
        def stop():
            interrupt()
            threading.Event().wait()
        with Runner(1, progress=False) as runner:
            runner.add(stop)
    """)
    assert done.returncode != 0
    assert "KeyboardInterrupt" in done.stderr
    assert "Fatal Python error" not in done.stderr


@pytest.mark.needs("posix")
def test_an_interrupt_while_runs_are_added(execute: Execute) -> None:
    """Wherever in ``add`` it arrives: every run that is there has ended when the block is left."""
    done = execute("""
        for _ in range(20):
            added = threading.Event()
            def stop():
                added.wait()
                interrupt()
            try:
                with Runner(2, progress=False) as runner:
                    runner.add(stop)
                    runner.start()
                    number = 0
                    while True:
                        number += 1
                        runner.add(int, number)
                        if number == 50:
                            added.set()
            except KeyboardInterrupt:
                print("interrupted", [run for run in runner.runs if not run.done])
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["interrupted []"] * 20, done.stderr


def test_a_key_that_cannot_be_made_does_not_hang_the_program(execute: Execute) -> None:
    done = execute("""
        from abreast import Limit
        with Runner(1, progress=False) as runner:
            runner.add(print, "x", limits=Limit(lambda *args: 1 // 0))
            runner.start()
    """)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_a_script_without_a_main_guard_may_use_processes(execute: Execute) -> None:
    done = execute("""
        def square(number):
            return number * number
        with Runner(2, progress=False, executor="process") as runner:
            runs = runner.map(square, range(5))
        print([run.value for run in runs])
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[0, 1, 4, 9, 16]"]


# -- random programs ---------------------------------------------------------------------------


@pytest.fixture
def stacks() -> Iterator[None]:
    """Should a program hang after all, every thread's stack is shown."""
    faulthandler.dump_traceback_later(40, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


class World:
    """What the tasks of one random program do, and what is counted inside them."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lock = threading.Lock()
        self.units: dict[str, int] = defaultdict(int)
        self.exceeded: list[str] = []
        self.calls: dict[str, int] = defaultdict(int)
        self.limits = {
            "/a": Limit(1, "/a"),
            "/b": Limit(2, "/b", cost=1),
            "work": Limit(3),
            "/skip": Limit(1, "/skip", then="skip", waiting=2),
            "/replace": Limit(1, "/replace", then="replace"),
        }
        self.concurrency = self.rng.choice([1, 2, 4])
        self.runner = Runner(self.concurrency, progress=False, fail_fast=self.rng.random() < 0.15)

    def work(self, label: str, keys: list[str], failures: int, children: int) -> str:
        held = [*keys, "slots"]
        most = {"slots": self.concurrency, "/a": 1, "/b": 2, "work": 3, "/skip": 1, "/replace": 1}
        with self.lock:
            self.calls[label] += 1
            call = self.calls[label]
            for key in held:
                self.units[key] += 1
                if self.units[key] > most[key]:
                    self.exceeded.append(
                        f"{label}: {self.units[key]} of {most[key]} units of {key}"
                    )
        try:
            if len(label) % 5 == 3:
                time.sleep(0.0005)  # the task sleeps
            for number in range(children):
                self.add(f"{label}.{number}", [label] if number % 2 else [], children=0)
            if call <= failures:
                raise ValueError(f"{label} fails for the {call}. time")
        finally:
            with self.lock:
                for key in held:
                    self.units[key] -= 1
        return label

    def add(self, label: str, after: list[str], children: int) -> Run:
        with self.lock:
            rng = self.rng
            keys = rng.choice([[], [], [], ["/a"], ["/b"], ["work"], ["/a", "/b"], ["/b", "/a"]])
            if rng.random() < 0.1:
                keys = [rng.choice(["/skip", "/replace"])]
            failures = rng.choice([0, 0, 0, 0, 1, 1, 5])
            retry = rng.choice([None, 1, Retry(2, "1ms")])
            priority = rng.choice([0, 0, 1, 5])
        return self.runner.add(
            *(self.work, label, keys, failures, children),
            label=label,
            after=after,
            limits=[self.limits[key] for key in keys],
            retry=retry,
            priority=priority,
        )

    def build(self) -> None:
        labels: list[str] = []
        for number in range(self.rng.randint(3, 25)):
            known = self.rng.sample(labels, min(len(labels), self.rng.choice([0, 0, 1, 2, 3])))
            labels.append(f"r{number}")
            self.add(labels[-1], known, self.rng.choice([0, 0, 0, 2]))

    def drive(self) -> list[str]:
        """Run it in one of several ways; return the labels in the order of ending, if known."""
        runner, seen = self.runner, []
        way = self.rng.choice(["wait", "iterate", "cancel one", "cancel all", "add more"])
        if way == "iterate":
            seen = [run.label for run in runner.as_ended(timeout=20)]
        runner.start()
        if way == "cancel one":
            runner.cancel(self.rng.choice(runner.runs))
        elif way == "cancel all" and self.rng.random() < 0.5:
            runner.cancel()
        elif way == "add more":
            for number in range(5):
                self.add(f"more {number}", ["r0"] if number % 2 else [], 0)
        if not runner.wait(20):
            shown = "\n".join(run.why() for run in runner.runs if not run.done)
            pytest.fail(f"these have not ended:\n{shown}")
        return seen


def check_run(run: Run, world: World) -> None:
    told = f"{run.label}: {run.state}({run.reason}), {run.attempts} tries"
    assert run.done, told
    assert run.reason is None if run.ok else run.reason in REASONS[run.state], told
    assert run.ended is not None, told
    assert run.attempts >= world.calls[run.label], f"{told}, called {world.calls[run.label]} times"
    if run.ok or (run.state, run.reason) == ("failed", "error"):
        assert run.attempts >= 1, told
        # both are read from the clock at the moment of the turn that records them
        assert run.created - 0.001 <= run.started <= run.ended + 0.001, told
    if run.ok:
        assert run.value == run.label
        assert run.error is None
    else:
        assert run.value is None
    retry = run.task.retry
    assert run.attempts <= (retry.n if retry else 0) + 1, told
    good = all(parent.ok for parent in run.after)
    if run.attempts:
        assert good, f"{told}, but {[parent for parent in run.after if not parent.ok]}"
        first = run.history[0].started if run.history else run.started
        for parent in run.after:
            assert parent.ended <= first + 0.001, f"{told}: began before {parent.label} had ended"
    if run.reason == "dependency":
        assert not good, told
    times = [time for past in run.history or () for time in (past.started, past.ended)]
    if run.ok:
        times += [run.started, run.ended]
    for earlier, later in itertools.pairwise(times):
        assert earlier <= later + 0.001, f"{told}: times {times}"


@pytest.mark.usefixtures("stacks")
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("first", range(0, 200, 20))
def test_random_programs(first: int) -> None:
    for seed in range(first, first + 20):
        world = World(seed)
        world.build()
        seen = world.drive()
        runner = world.runner
        runner.close()
        note = f"seed {seed}"
        gone = any(run.state == "cancelled" and run.attempts for run in runner.runs)
        for run in runner.runs:
            if gone and run.state in {"pending", "running", "blocked"}:
                continue  # added by a thread that was given up, when all else had ended
            try:
                check_run(run, world)
            except AssertionError as error:
                pytest.fail(f"{note}: {error}\n{runner.report.table()}")
        exceeded = [text for text in world.exceeded if not (gone and "slots" in text)]
        assert not exceeded, f"{note}: {exceeded}"
        assert len(seen) == len(set(seen)), f"{note}: a run came twice in {seen}"
        if seen and not gone:
            assert set(seen) == set(runner.report), f"{note}: not every run came"


def test_many_short_runs_with_limits_and_priorities_all_end() -> None:
    """A woken line that is blocked elsewhere passes the wake on; nobody sleeps for ever."""
    for seed in range(30):
        rng = random.Random(seed)
        runner = Runner(rng.choice([1, 2, 4, 8]), progress=False)
        keys = [Limit(rng.choice([2, 3]), f"/{name}", cost=rng.choice([1, 2])) for name in "abcd"]
        limits: Any = [[], *([key] for key in keys), keys[:2], keys[1::-1], keys[2:], keys]
        for number in range(150):
            runner.add(
                int,
                number,
                limits=rng.choice(limits),
                priority=rng.choice([0, number, -number, rng.random()]),
            )
            if number == 40:
                runner.start()
            if number > 40 and rng.random() < 0.05:
                runner.cancel(rng.choice(runner.runs))
        over = runner.wait(10)
        waiting = [run.why() for run in runner.runs if not run.done]
        runner.cancel()
        runner.close()
        assert over, f"seed {seed}: {len(waiting)} wait for ever, the first: {waiting[0]}"
