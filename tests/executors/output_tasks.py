"""What the tests of output have executed: every way to print."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
from typing import Any

logger = logging.getLogger("tests.output")


def nothing() -> None:
    pass


def say(text: str) -> None:
    print(text)


def print_in_every_way() -> None:
    print("printed", "in", "pieces")
    print("to stderr", file=sys.stderr)
    sys.stdout.buffer.write(b"as bytes\n")
    sys.stdout.buffer.flush()
    os.write(1, b"by descriptor\n")
    libc = ctypes.CDLL(None)
    libc.puts(b"by libc")
    libc.fflush(None)
    os.system("echo by a shell; echo by a shell to stderr >&2")
    subprocess.run(["sh", "-c", "sh -c 'echo by a grandchild'"], check=True)


def log_at_every_level() -> None:
    logger.debug("not shown")
    logger.info("info %d", 1)
    logging.getLogger().warning("warning")
    try:
        raise ValueError("no luck")
    except ValueError:
        logger.exception("trouble")


def configure_logging_and_log() -> None:
    logging.basicConfig(format="mine: %(message)s", level=logging.DEBUG)
    logger.debug("shown")


def log_by_module() -> None:
    logging.info("by module")


def prompt(started: str, gate: str) -> None:
    print("before")
    print("your name? ", end="")
    with open(started, "w") as pipe:
        pipe.write(f"{os.getpid()}\n")
    with open(gate) as file:
        file.readline()
    print("x")


async def prompt_awaiting(mark: str, gate: asyncio.Event | None = None) -> None:
    print(mark, "one")
    await asyncio.sleep(0)
    print(mark, "two")
    await asyncio.to_thread(print, mark, "three")
    logger.warning("%s four", mark)


def print_lines(count: int, width: int) -> None:
    for number in range(count):
        print(f"{number:0{width}d}")


def die_in_the_middle_of_a_line() -> None:
    print("a whole line")
    print("half a li", end="")
    os.kill(os.getpid(), signal.SIGKILL)


def leave_a_printer() -> None:
    """Start a process that prints without end, in a session of its own."""
    print("started")
    subprocess.Popen(["yes", "left over"], start_new_session=True)


def close_and_replace_streams() -> None:
    print("as ever")
    sys.stdout.close()
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    os.close(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def detach_streams() -> None:
    print("as ever")
    sys.stdout.detach()


def print_from_threads(threads: int, lines: int) -> None:
    def work(mark: str) -> None:
        for _ in range(lines):
            print(mark, mark)

    all_of_them = [threading.Thread(target=work, args=(str(n) * 9,)) for n in range(threads)]
    for thread in all_of_them:
        thread.start()
    for thread in all_of_them:
        thread.join()


def print_in_c_with_the_interpreter_held(size: int) -> int:
    data = b"x" * (size - 1) + b"\n"
    written: int = ctypes.PyDLL(None).write(1, data, size)
    return written


def strange_text() -> None:
    print("grüße \udcff \N{SNOWMAN}")


def print_and_fail() -> None:
    print("so far")
    raise ValueError("no luck")


def who() -> tuple[Any, ...]:
    from abreast.context import attempt_here

    here = attempt_here.get()
    assert here is not None
    return here.origin, here.run.id, here.number


def lend_and_take_back(times: int) -> None:
    from abreast.context import attempt_here

    here = attempt_here.get()
    assert here is not None
    for _ in range(times):
        here.host.lend_slot(here)
        here.host.lend_slot(here)  # another thread of the task waits too
        here.host.take_slot_back(here)
        here.host.take_slot_back(here)


def lend_and_leave(how: str) -> None:
    from abreast.context import attempt_here

    here = attempt_here.get()
    assert here is not None
    here.host.lend_slot(here)
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)


def niceness() -> tuple[int, int]:
    return os.getpriority(os.PRIO_PROCESS, 0), os.getpid()


def file_text(path: str) -> str:
    with open(path) as file:
        return file.read()


def titles() -> tuple[str, str]:
    """What the process table says of this process: its arguments and its name."""
    with open("/proc/self/cmdline", "rb") as file:
        arguments = file.read().rstrip(b"\0").decode()
    with open("/proc/self/comm") as file:
        return arguments, file.read().strip()


kept: list[Any] = []


def keep_here() -> None:
    from abreast.context import attempt_here

    kept.append(attempt_here.get())


def lend_of_the_one_before() -> int:
    """Lend the slot of a run that has ended, as a thread it left behind might."""
    before = kept.pop()
    before.host.lend_slot(before)
    before.host.take_slot_back(before)
    number: int = before.run.id
    return number
