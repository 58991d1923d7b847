"""The lock between processes: one at a time, in turn, and free as soon as its holder is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from abreast.errors import StoreError
from abreast.stores.turnstile import Turnstile

pytestmark = pytest.mark.needs("posix")

HOLD = """
import sys
from abreast.stores.turnstile import Turnstile
t = Turnstile(sys.argv[1])
t.acquire()
print("in", flush=True)
sys.stdin.readline()
t.release()
print("out", flush=True)
sys.stdin.readline()
"""

# Flat out, while the other one is at it too; every turn leaves a letter in a file.
ALTERNATE = """
import os, sys
from abreast.stores.turnstile import Turnstile
folder, letter, turns = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
t = Turnstile(folder)
print("ready", flush=True)
sys.stdin.readline()
fd = os.open(folder + "/order", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for _ in range(turns):
    t.acquire()
    size = os.fstat(fd).st_size
    os.write(fd, letter)
    os.fsync(fd)
    assert os.fstat(fd).st_size == size + 1, "two inside"
    t.release()
"""


def start(code: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


def test_one_at_a_time_also_within_a_process(tmp_path: Path) -> None:
    first, second = Turnstile(str(tmp_path)), Turnstile(str(tmp_path))
    first.acquire()
    with pytest.raises(StoreError, match=f"process {os.getpid()} has"):
        second.acquire(timeout_s=0.05)
    first.release()
    second.acquire(timeout_s=0.05)
    second.close()
    first.acquire(timeout_s=0.05)
    first.close()


def test_who_gave_up_keeps_nobody_out(tmp_path: Path) -> None:
    first, second, third = (Turnstile(str(tmp_path)) for _ in range(3))
    first.acquire()
    with pytest.raises(StoreError):
        second.acquire(timeout_s=0)
    first.release()
    third.acquire(timeout_s=0)
    for turnstile in (first, second, third):
        turnstile.close()


def test_a_killed_holder_lets_the_next_one_in(tmp_path: Path) -> None:
    holder = start(HOLD, str(tmp_path))
    try:
        assert hear(holder) == "in"
        mine = Turnstile(str(tmp_path))
        with pytest.raises(StoreError, match=f"process {holder.pid} has"):
            mine.acquire(timeout_s=0.05)
        waiting = threading.Thread(target=mine.acquire)
        waiting.start()
        holder.send_signal(signal.SIGKILL)
        waiting.join(20)
        assert not waiting.is_alive()
        mine.close()
    finally:
        end(holder)


def test_two_flat_out_take_turns(tmp_path: Path) -> None:
    turns = 300
    both = [start(ALTERNATE, str(tmp_path), letter, str(turns)) for letter in "ab"]
    try:
        assert [hear(process) for process in both] == ["ready", "ready"]
        for process in both:
            tell(process)
        assert [process.wait(60) for process in both] == [0, 0]
    finally:
        end(*both)
    order = (tmp_path / "order").read_text()
    assert sorted(order) == ["a"] * turns + ["b"] * turns
    # When one has had all its turns, the other has had its share. (That nobody passes who waits
    # at the lock is tested below; here two processes also compete for the processor.)
    begin = max(order.index("a"), order.index("b"))
    shared = order[begin : min(order.rindex("a"), order.rindex("b")) + 1]
    assert min(shared.count("a"), shared.count("b")) > len(shared) / 4, order


def test_who_waits_is_before_who_comes_back(tmp_path: Path) -> None:
    """While one waits at the lock it holds the gate, so the former holder is behind it."""
    mine = Turnstile(str(tmp_path))
    mine.acquire()
    other = start(HOLD, str(tmp_path))
    try:
        until_held(tmp_path / "gate")
        mine.release()
        with pytest.raises(StoreError):  # flat out, and yet it is the other one's turn
            mine.acquire(timeout_s=0)
        assert hear(other) == "in"
    finally:
        end(other)
        mine.close()


def until_held(path: Path) -> None:
    """Return when another process has locked the file; the test's own time-out limits it."""
    fcntl = pytest.importorskip("fcntl")
    with path.open("r+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            fcntl.flock(file, fcntl.LOCK_UN)


def test_a_fork_neither_holds_nor_releases(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from abreast.stores.turnstile import Turnstile
t = Turnstile(sys.argv[1])
t.acquire()
child = os.fork()
if child == 0:
    t.release()  # nothing of ours
    try:
        t.acquire(timeout_s=0)
        os._exit(1)  # it took what the parent holds
    except Exception:
        pass
    os.write(1, b"alive %d\\n" % os.getpid())
    signal.pause()
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""
    parent = start(code, str(tmp_path))
    line = hear(parent)
    assert line.startswith("alive ")
    child = int(line.split()[1])
    try:
        mine = Turnstile(str(tmp_path))
        with pytest.raises(StoreError):
            mine.acquire(timeout_s=0)
        tell(parent)
        assert parent.wait(20) == -signal.SIGKILL
        mine.acquire(timeout_s=0)  # although the fork lives on
        os.kill(child, 0)
        mine.close()
    finally:
        os.kill(child, signal.SIGKILL)
        end(parent)
