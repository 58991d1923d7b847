"""An app for the tests of the worker. Tasks say on a pipe that they have begun, and wait for a
word on another one."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.durable.slots import take

from abreast import App, Backoff, Limit, current_run, progress, step

app = App()  # ABREAST_STORE names the store


def say(here: str, *words: object) -> None:
    """Tell the test something."""
    fd = os.open(f"{here}/news", os.O_WRONLY | os.O_APPEND)
    os.write(fd, (" ".join(map(str, words)) + "\n").encode())
    os.close(fd)


def wait(here: str, name: str) -> None:
    """Wait for the word of the test."""
    with open(f"{here}/go-{name}") as word:
        word.read()


def begun(here: str, name: str) -> None:
    run = current_run()
    assert run is not None
    say(here, name, os.getpid(), run.attempt)


@app.task
def add(a: int, b: int = 1) -> int:
    return a + b


@app.task
def hold(here: str, name: str) -> str:
    begun(here, name)
    wait(here, name)
    return name


@app.task(on_crash="fail")
def hold_once(here: str, name: str) -> str:
    begun(here, name)
    wait(here, name)
    return name


@app.task(limits=[Limit(1)])
def hold_alone(here: str, name: str) -> str:
    begun(here, name)
    wait(here, name)
    return name


@app.task
def where() -> list[Any]:
    thread = threading.current_thread()
    return [os.getpid(), os.getppid(), thread is threading.main_thread(), os.nice(0)]


@app.task
def crowd(here: str, units: int) -> bool:
    """Whether no more than ``units`` of these are at work."""
    fd = take(f"{here}/crowd", units)
    if fd is None:
        return False
    os.sched_yield()
    os.close(fd)
    return True


@app.task
def family(here: str) -> None:
    """Starts a process that ignores SIGTERM, and waits for it."""
    code = "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        say(here, "family", child.pid, os.getpid())
        child.wait()


@app.task
def half(here: str, name: str) -> None:
    progress(1, 2, "half of it")
    begun(here, name)
    wait(here, name)


@app.task
def talk(here: str, name: str, deep: bool) -> None:
    """Prints in every way there is; ``deep``: also past Python."""
    print("said by print")
    print("said to stderr", file=sys.stderr)
    logging.getLogger("jobs").warning("said by logging")
    if deep:
        os.write(1, b"said to the descriptor\n")
        libc = ctypes.CDLL(None)
        libc.puts(b"said by C")
        libc.fflush(None)
        subprocess.run(["echo", "said by a child"], check=True)
    begun(here, name)
    wait(here, name)


@app.task
def parent(value: int) -> Any:
    return add.submit(value).result(30)


@app.task
def stepped(here: str, name: str) -> str:
    def once() -> int:
        with Path(f"{here}/once").open("a") as file:
            file.write("x")
        return os.getpid()

    first = step("once", once)
    begun(here, name)
    wait(here, name)
    return f"{first} {os.getpid()}"


@app.task
def back_off(here: str) -> int:
    begun(here, "back_off")
    run = current_run()
    assert run is not None
    if run.attempt < 4:
        raise Backoff(0.01)
    return run.attempt


@app.task
def fail(here: str) -> None:
    begun(here, "fail")
    raise ValueError("again")


@app.task(needs={"memory": 10**18})
def needs_memory() -> None:
    """More than any machine has."""


@app.task(needs={"gpu": 1})
def needs_gpu() -> None:
    """No worker offers that."""


@app.task(needs={"cpu": 1.5})
def needs_cpu(here: str, name: str) -> None:
    begun(here, name)
    wait(here, name)


@app.task(needs={"cpu": 0.5})
def needs_some_cpu(here: str, name: str) -> None:
    begun(here, name)
    wait(here, name)
