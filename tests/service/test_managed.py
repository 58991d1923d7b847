"""`abreast serve` under a service manager, and what it tells people: whole processes, for real."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.notices.servers import WebServer, serving
from tests.notices.test_webhook import is_signed

pytestmark = pytest.mark.needs("linux")
WAIT_S = 60
SECRET = "of three only"


class Manager:
    """What systemd would hear."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.heard: list[str] = []

    def wait_for(self, word: str) -> list[str]:
        """The fields of the next message with this one."""
        until = time.monotonic() + WAIT_S
        while True:
            left = until - time.monotonic()
            assert left > 0, f"{word} did not come: {self.heard}"
            if not select.select([self.sock], [], [], left)[0]:
                continue
            fields = self.sock.recv(65536).decode().split("\n")
            self.heard += fields
            if any(field.startswith(word) for field in fields):
                return fields


@contextmanager
def service(folder: Path, config: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """`abreast serve` in a folder, on a free port."""
    (folder / "abreast.toml").write_text(config, encoding="utf-8")
    plain = {key: value for key, value in os.environ.items() if not key.startswith("ABREAST_")}
    words = [sys.executable, "-m", "abreast", "serve", str(folder), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [*words, "--ready-file", str(folder / "ready")], env={**plain, "no_proxy": "*", **env},
        stderr=subprocess.DEVNULL, cwd=folder,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.sock.close()


def test_a_manager_is_told_of_everything(manager: Manager, tmp_path: Path) -> None:
    told = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "4000000"}
    env_file = tmp_path / "env"
    config = f'[tasks.look]\ncommand = "env > {env_file}"\nschedule = "every 1s"\n'
    with service(tmp_path, config, **told) as process:
        manager.wait_for("READY=1")
        assert (tmp_path / "ready").exists()
        manager.wait_for("WATCHDOG=1")
        manager.wait_for("WATCHDOG=1")
        process.send_signal(signal.SIGHUP)
        assert any(field.startswith("MONOTONIC_USEC=") for field in manager.wait_for("RELOADING=1"))
        manager.wait_for("READY=1")
        manager.wait_for("STATUS=")
        process.terminate()
        manager.wait_for("STOPPING=1")
        assert process.wait(WAIT_S) == 0
    assert "NOTIFY_SOCKET" not in env_file.read_text(), "tasks must not speak for the service"


CONFIG = """
[notify]
on_failure = ["chat"]
on_recovery = ["chat"]

[notify.channels.chat]
type = "webhook"
url = "{url}"
secret = "{secret}"

[tasks.check]
command = "echo looking; test -e {file}"
schedule = "every 1s"
"""


def test_people_are_told_of_a_failure_and_of_its_end(tmp_path: Path) -> None:
    file = tmp_path / "there"
    with serving(WebServer(503)) as hook:
        config = CONFIG.format(url=hook.url, secret=SECRET, file=file)
        with service(tmp_path, config):
            refused = hook.next_post()
            again = hook.next_post()
            file.touch()
            events = [json.loads(again.body)]
            while events[-1]["event"] != "recovery":
                events.append(json.loads(hook.next_post().body))
    assert is_signed(refused, SECRET, time.time())
    assert events[0]["task"] == "check"
    assert events[0]["event"] == "failure"
    assert events[0]["run"]["trigger"] == "schedule check"
    assert {event["event"] for event in events} == {"failure", "recovery"}
