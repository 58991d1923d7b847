"""What the tests of the process executor have executed: mostly misbehaviour."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import time
from typing import Any, NoReturn

SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]  # the task sleeps
STUBBORN = (
    "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "open(sys.argv[1], 'w').write(f'{os.getpid()}\\n'); time.sleep(1000)"  # the task sleeps
)


def tell(pipe: str, *numbers: int) -> None:
    with open(pipe, "w") as file:
        file.write("".join(f"{number}\n" for number in numbers))


def sleep_for_ever() -> NoReturn:
    while True:
        time.sleep(1000)  # the task sleeps


def ignore_term(pipe: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell(pipe, os.getpid())
    sleep_for_ever()


def clean_up_on_term(pipe: str, trace: str) -> None:
    def on_term(*_: object) -> None:
        with open(trace, "w") as file:
            file.write("cleaned up")
        os._exit(0)

    signal.signal(signal.SIGTERM, on_term)
    tell(pipe, os.getpid())
    sleep_for_ever()


def fork_family(pipe: str) -> None:
    """Start one child in the group, one in its own session, one forked twice, one stubborn."""
    in_group = subprocess.Popen(SLEEP).pid
    in_session = subprocess.Popen(SLEEP, start_new_session=True).pid
    twice = fork_twice()
    subprocess.Popen([sys.executable, "-c", STUBBORN, pipe], start_new_session=True)
    tell(pipe, os.getpid(), in_group, in_session, twice)


def fork_family_and_wait(pipe: str) -> None:
    fork_family(pipe)
    sleep_for_ever()


def fork_family_and_die(pipe: str) -> None:
    fork_family(pipe)
    os.kill(os.getpid(), signal.SIGKILL)


def fork_twice() -> int:
    """Leave a daemon behind: the child of a child that has ended, in a session of its own."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid == 0:
            sleep_for_ever()
        os.write(writer, str(pid).encode())
        os._exit(0)
    os.close(writer)
    pid = int(os.read(reader, 20))
    os.close(reader)
    return pid


def fork_and_come_back_twice() -> str:
    return "child" if os.fork() == 0 else "parent"


def segfault() -> None:
    faulthandler.disable()
    ctypes.string_at(0)


def kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_my_parent() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    sleep_for_ever()


def print_without_end(pipe: str) -> None:
    tell(pipe, os.getpid())
    while True:
        print("x" * 1000)


def pid() -> int:
    return os.getpid()


def say(text: str) -> None:
    print(text)
    print(text, file=sys.stderr)
    os.system(f"echo shell {text}")


def use_multiprocessing() -> int:
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(os.getpid)


def here() -> tuple[Any, ...]:
    from abreast.context import attempt_here

    attempt = attempt_here.get()
    assert attempt is not None
    return attempt.run.id, attempt.run.label, attempt.run.attempt, attempt.number


def descriptors() -> list[str]:
    found = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    return sorted(os.readlink(path) for path in found if os.path.lexists(path))


def read_stdin() -> str:
    return sys.stdin.read()


def progress_tightly(count: int) -> None:
    from abreast.context import attempt_here

    attempt = attempt_here.get()
    assert attempt is not None
    for number in range(count + 1):
        attempt.host.progress(attempt, number, count, "")
