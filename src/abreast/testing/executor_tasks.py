"""What the executor suite has executed. A module of its own: other processes must import it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any, NoReturn


class Stubborn(Exception):
    """Can be pickled and not be unpickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def nothing() -> None:
    pass


def echo(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, kwargs


def fail(text: str) -> NoReturn:
    error = ValueError(text)
    error.add_note("a note")
    raise error


def fail_stubbornly() -> NoReturn:
    raise Stubborn("this", "that")


def fail_locked() -> NoReturn:
    raise ValueError(threading.Lock())


def leave() -> NoReturn:
    sys.exit(3)


def make_lock() -> Any:
    return threading.Lock()


def megabytes(count: int) -> bytes:
    return b"x" * (count << 20)


def print_much(megabytes: int) -> str:
    for _ in range(megabytes):
        print("x" * (1 << 20))
    return "done"


def say(text: str) -> None:
    print(text)


async def say_awaiting(text: str) -> None:
    await asyncio.sleep(0)
    print(text)


def die() -> NoReturn:
    os._exit(7)


def hold(started: str, release: str) -> str:
    """Say so in the pipe ``started``, then wait for a line in the pipe ``release``."""
    with open(started, "w") as pipe:
        pipe.write(f"{os.getpid()}\n")
    with open(release) as pipe:
        pipe.readline()
    return "released"


async def hold_awaiting(started: str, release: str) -> str:
    """Do the same without blocking the event loop."""
    with open(started, "w") as pipe:
        pipe.write(f"{os.getpid()}\n")
    loop, released = asyncio.get_running_loop(), asyncio.Event()
    fd = os.open(release, os.O_RDONLY | os.O_NONBLOCK)
    try:
        loop.add_reader(fd, released.set)
        await released.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    return "released"


async def echo_awaiting(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    await asyncio.sleep(0)
    return args, kwargs


async def fail_awaiting(text: str) -> NoReturn:
    fail(text)


def tell_progress(release: str) -> None:
    """Report progress, wait for a line in the pipe ``release``, report again."""
    from ..context import attempt_here

    here = attempt_here.get()
    assert here is not None
    here.host.progress(here, 1, 2, here.run.label)
    with open(release) as pipe:
        pipe.readline()
    here.host.progress(here, 2, 2, "end")
