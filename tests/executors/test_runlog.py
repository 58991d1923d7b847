"""The file of one attempt: when it is made, what its lines look like, what a cap leaves of them."""

from __future__ import annotations

import itertools
import os
import re
import stat
import threading
from pathlib import Path

from abreast.executors import runlog
from abreast.executors.runlog import RunLog

NOW = 1795243386.1239  # seconds
STAMP = b"2026-11-21T06:43:06.123Z "


def make(path: Path, cap_bytes: int = 10_000_000) -> RunLog:
    return RunLog(str(path), cap_bytes, lambda: NOW)


def test_nothing_printed_is_no_file_and_no_folder(tmp_path: Path) -> None:
    log = make(tmp_path / "day" / "log")
    log.write(b"")
    log.end()
    assert log.path is None
    assert list(tmp_path.iterdir()) == []


def test_the_first_byte_makes_folder_and_file_for_the_owner_only(tmp_path: Path) -> None:
    asked = itertools.count()
    log = RunLog(lambda: str(tmp_path / f"day{next(asked)}" / "log"))
    log.write(b"x")
    log.write(b"y")
    path = tmp_path / "day0" / "log"
    assert log.path == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    log.end()


def test_every_line_has_its_time_and_is_there_at_once(tmp_path: Path) -> None:
    log = make(tmp_path / "log")
    log.write(b"one\ntwo\n\nprompt? ")
    assert (tmp_path / "log").read_bytes() == (
        STAMP + b"one\n" + STAMP + b"two\n" + STAMP + b"\n" + STAMP + b"prompt? "
    )
    log.write(b"yes\nlast")
    log.end()
    log.end()
    lines = (tmp_path / "log").read_bytes().split(b"\n")
    assert lines[3:] == [STAMP + b"prompt? yes", STAMP + b"last", b""]


def test_a_second_attempt_continues_on_a_line_of_its_own(tmp_path: Path) -> None:
    make(tmp_path / "log").write(b"killed in the mid")  # its worker was killed: no end()
    second = make(tmp_path / "log")
    second.write(b"again\n")
    second.end()
    assert (tmp_path / "log").read_bytes() == (STAMP + b"killed in the mid\n" + STAMP + b"again\n")


def test_what_comes_after_the_end_is_appended(tmp_path: Path) -> None:
    log = make(tmp_path / "log")
    log.write(b"one\n")
    before = len(os.listdir("/proc/self/fd"))
    log.end()
    log.write(b"late\n")
    assert (tmp_path / "log").read_bytes() == STAMP + b"one\n" + STAMP + b"late\n"
    assert len(os.listdir("/proc/self/fd")) == before - 1


def left_out(text: bytes) -> int:
    found = re.findall(rb"\[abreast: (\d+) bytes left out here\]", text)
    assert len(found) == 1
    return int(found[0])


def test_the_cap_keeps_head_and_tail(tmp_path: Path) -> None:
    log, path = make(tmp_path / "log", 10_000), tmp_path / "log"
    for number in range(2_000):
        log.write(b"line %d\n" % number)
    while_running = path.read_bytes()
    assert while_running.startswith(STAMP + b"line 0\n" + STAMP + b"line 1\n")
    assert b"[abreast: the log is full" in while_running.splitlines()[-1]
    log.end()
    text = path.read_bytes()
    assert len(text) <= 10_000
    assert text.endswith(b"line 1998\n" + STAMP + b"line 1999\n")
    assert text.startswith(while_running)
    kept = [line for line in text.splitlines() if b"abreast:" not in line]
    assert all(re.fullmatch(re.escape(STAMP) + rb"line \d+", line) for line in kept)
    whole = sum(len(STAMP + b"line %d\n" % number) for number in range(2_000))
    assert left_out(text) == whole - sum(len(line) + 1 for line in kept)
    log.write(b"too late\n")
    assert path.read_bytes() == text


def test_slightly_more_than_the_head_is_kept_whole(tmp_path: Path) -> None:
    log = make(tmp_path / "log", 10_000)
    for number in range(200):
        log.write(b"line %d\n" % number)
    log.end()
    text = (tmp_path / "log").read_bytes()
    assert b"left out" not in text
    assert [line for line in text.splitlines() if b"abreast:" not in line] == [
        STAMP + b"line %d" % number for number in range(200)
    ]


def test_one_endless_line_under_a_cap(tmp_path: Path) -> None:
    log = make(tmp_path / "log", 10_000)
    log.write(b"a" * 50_000)
    log.write(b"b" * 50_000)
    log.end()
    text = (tmp_path / "log").read_bytes()
    assert len(text) <= 10_000
    assert text.endswith(b"bbb\n")
    assert left_out(text) + text.count(b"a" * 4_975) >= 90_000
    small = make(tmp_path / "small", 0)
    small.write(b"x\n")
    small.end()
    assert left_out((tmp_path / "small").read_bytes()) == len(STAMP) + 2


def test_a_file_that_cannot_be_written_is_told_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = make(tmp_path / "file" / "log")
    log.write(b"x")
    log.write(b"y")
    log.end()
    assert isinstance(log.error, OSError)
    full = make(Path("/dev/full"))
    full.write(b"x\n")
    assert isinstance(full.error, OSError)
    assert "space" in str(full.error)


def test_threads_do_not_write_into_each_others_pieces(tmp_path: Path) -> None:
    log = make(tmp_path / "log")

    def write(mark: bytes) -> None:
        for _ in range(500):
            log.write(mark * 20 + b"\n")

    threads = [threading.Thread(target=write, args=(mark,)) for mark in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.end()
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert len(lines) == 2_000
    assert set(lines) == {STAMP + mark * 20 for mark in (b"a", b"b", b"c", b"d")}


def test_many_logs_at_once_use_few_descriptors(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    logs = [make(tmp_path / str(number)) for number in range(400)]
    for piece in (b"one\n", b"two\n"):
        for log in logs:
            log.write(piece)
    assert len(os.listdir("/proc/self/fd")) - before <= runlog._MOST_OPEN
    for log in logs:
        log.end()
    assert len(os.listdir("/proc/self/fd")) == before
    for number in range(400):
        assert (tmp_path / str(number)).read_bytes() == STAMP + b"one\n" + STAMP + b"two\n"
