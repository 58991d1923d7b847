"""What the service manager hears, on a real datagram socket."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from abreast.interfaces.service.sd_notify import ServiceManager

pytestmark = pytest.mark.needs("posix")


class Listener:
    """The service manager's end."""

    def __init__(self, address: str | bytes) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address)
        self.sock.settimeout(30)

    def hear(self) -> list[str]:
        """The fields of the next message."""
        return self.sock.recv(65536).decode().split("\n")

    def silent(self) -> bool:
        self.sock.setblocking(False)
        try:
            self.sock.recv(65536)
        except BlockingIOError:
            return True
        return False


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(str(tmp_path / "notify"))
    yield made
    made.sock.close()


@pytest.fixture
def manager(listener: Listener, tmp_path: Path) -> ServiceManager:
    return ServiceManager(str(tmp_path / "notify"), 30_000_000)


def test_every_message(listener: Listener, manager: ServiceManager) -> None:
    assert manager.ready()
    assert listener.hear() == ["READY=1"]
    assert manager.ready("4 running, 2 queued, next nightly 02:00")
    assert listener.hear() == ["READY=1", "STATUS=4 running, 2 queued, next nightly 02:00"]
    assert manager.status("idle")
    assert listener.hear() == ["STATUS=idle"]
    assert manager.watchdog()
    assert listener.hear() == ["WATCHDOG=1"]
    assert manager.stopping("3 runs are left")
    assert listener.hear() == ["STOPPING=1", "STATUS=3 runs are left"]
    assert manager.extend_timeout(1_500_000)
    assert listener.hear() == ["EXTEND_TIMEOUT_USEC=1500000"]


def test_reloading_carries_the_time(listener: Listener, manager: ServiceManager) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert manager.reloading()
    first, second = listener.hear()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert first == "RELOADING=1"
    name, _, value = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= after


def test_a_status_is_one_line(listener: Listener, manager: ServiceManager) -> None:
    assert manager.status("nightly\nREADY=1\n  of grüße\t\u2713")
    assert listener.hear() == ["STATUS=nightly READY=1 of grüße \u2713"]
    assert manager.status("x" * 5000)
    assert len(listener.hear()[0]) < 500
    assert not manager.status("  \n ")
    assert listener.silent()


@pytest.mark.needs("linux")
def test_abstract_sockets() -> None:
    name = f"abreast-test-{secrets.token_hex(8)}"
    listener = Listener(b"\0" + name.encode())
    try:
        assert ServiceManager("@" + name).ready()
        assert listener.hear() == ["READY=1"]
    finally:
        listener.sock.close()


@pytest.mark.parametrize("address", [None, "", "@", "vsock:2:1234", "relative/path"])
def test_where_nobody_listens_nothing_happens(address: str | None) -> None:
    manager = ServiceManager(address, 30_000_000)
    assert not manager.listens
    assert manager.watchdog_every is None
    assert not any([manager.ready(), manager.status("x"), manager.watchdog()])
    assert not any([manager.reloading(), manager.stopping(), manager.extend_timeout(1)])


def test_a_manager_that_is_gone_is_mentioned_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = ServiceManager(str(tmp_path / "nobody"))
    with caplog.at_level(logging.WARNING, "abreast"):
        assert not manager.ready()
        assert not manager.status("x")
    assert len(caplog.records) == 1
    assert "READY=1" in caplog.text


def test_a_manager_that_does_not_read_holds_nobody_up_for_long(
    listener: Listener, manager: ServiceManager
) -> None:
    began = time.monotonic()
    sent = 0
    while manager.status("x" * 300):  # until its queue is full
        sent += 1
        assert sent < 100_000
    assert time.monotonic() - began < 30
    listener.hear()
    assert manager.status("again")


# -- from the environment ---------------------------------------------------------------------


def test_the_variables_are_taken_out(tmp_path: Path) -> None:
    env = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "30000000",
           "WATCHDOG_PID": str(os.getpid()), "OTHER": "1"}  # fmt: skip
    manager = ServiceManager.take(env)
    assert env == {"OTHER": "1"}
    assert manager.listens
    assert manager.watchdog_every == 15.0


@pytest.mark.parametrize(
    ("env", "every"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "2000000"}, 1.0),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": ""}, None),
    ],
)
def test_how_often_the_watchdog_wants_to_hear(
    tmp_path: Path, env: dict[str, str], every: float | None
) -> None:
    manager = ServiceManager.take({"NOTIFY_SOCKET": str(tmp_path / "n"), **env})
    assert manager.watchdog_every == every


def test_without_a_socket_there_is_no_watchdog() -> None:
    manager = ServiceManager.take({"WATCHDOG_USEC": "2000000"})
    assert manager.watchdog_every is None
    assert not manager.watchdog()


def test_programs_that_the_service_starts_do_not_speak_for_it(
    listener: Listener, tmp_path: Path
) -> None:
    code = (
        "import os, subprocess, sys\n"
        "from abreast.interfaces.service.sd_notify import ServiceManager\n"
        "ServiceManager.take().ready()\n"
        "code = 'import os; print(os.environ.get(\"NOTIFY_SOCKET\"))'\n"
        "subprocess.run([sys.executable, '-c', code])\n"
    )
    env = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "None", done.stderr
    assert listener.hear() == ["READY=1"]
