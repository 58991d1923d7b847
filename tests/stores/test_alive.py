"""Who is alive: true as long as the process is, and not a moment longer."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from abreast.errors import StoreError
from abreast.stores.alive import Alive, bury, is_alive, watch

pytestmark = pytest.mark.needs("posix")

LIVE = """
import os, signal, sys
from abreast.stores.alive import Alive
alive = Alive(sys.argv[1], 7)
if sys.argv[2] == "fork":
    if os.fork() == 0:
        alive.close() if sys.argv[3] == "close" else None
        os.write(1, b"%d\\n" % os.getpid())
        signal.pause()
else:
    os.write(1, b"there\\n")
signal.pause()
"""


def live(folder: Path, *how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LIVE, str(folder), *how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_alive_until_closed(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert not is_alive(folder, 1)
    alive = Alive(folder, 1)
    assert is_alive(folder, 1)  # in the same process, and asking does not end it
    assert is_alive(folder, 1)
    assert not is_alive(folder, 2)
    assert sorted(os.listdir(tmp_path / "workers")) == ["1.kin", "1.lock"]
    with pytest.raises(StoreError, match="alive already"):
        Alive(folder, 1)
    assert sorted(os.listdir(tmp_path / "workers")) == ["1.kin", "1.lock"]
    alive.close()
    alive.close()
    assert not is_alive(folder, 1)
    assert os.listdir(tmp_path / "workers") == []


def test_copying_the_folder_does_not_end_it(tmp_path: Path) -> None:
    alive = Alive(str(tmp_path), 1)
    (tmp_path / "workers" / "1.lock").read_bytes()  # opened and closed in this process
    assert is_alive(str(tmp_path), 1)
    alive.close()


def test_a_killed_worker_is_dead(tmp_path: Path) -> None:
    with live(tmp_path, "alone") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        assert is_alive(str(tmp_path), 7)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert not is_alive(str(tmp_path), 7)
    again = Alive(str(tmp_path), 7)  # the file it left is no obstacle
    assert is_alive(str(tmp_path), 7)
    again.close()
    bury(str(tmp_path), 7)


@pytest.mark.parametrize("how", ["close", "keep"])
def test_a_fork_neither_ends_nor_prolongs_it(tmp_path: Path, how: str) -> None:
    with live(tmp_path, "fork", how) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            assert is_alive(str(tmp_path), 7)
            process.send_signal(signal.SIGKILL)
            process.wait(20)
            os.kill(child, 0)  # it is still there
            assert not is_alive(str(tmp_path), 7)
        finally:
            os.kill(child, signal.SIGKILL)


def test_many_who_ask_at_once_do_not_take_each_other_for_the_worker(tmp_path: Path) -> None:
    Alive(str(tmp_path), 1).forget()  # dead, and its files remain
    assert sorted(os.listdir(tmp_path / "workers")) == ["1.kin", "1.lock"]
    seen: list[bool] = []

    def ask() -> None:
        seen.extend(is_alive(str(tmp_path), 1) for _ in range(500))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 2000
    assert not any(seen)


@pytest.mark.needs("linux")
def test_death_wakes_who_watches(tmp_path: Path) -> None:
    with live(tmp_path, "alone") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        fd = watch(process.pid)
        assert fd is not None
        try:
            assert not select.select([fd], [], [], 0)[0]
            process.send_signal(signal.SIGKILL)
            assert select.select([fd], [], [], 20)[0]
            assert not is_alive(str(tmp_path), 7)
        finally:
            os.close(fd)
