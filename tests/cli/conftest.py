"""The program as people start it: in a process of its own, on pipes or on a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAM = [sys.executable, "-m", "abreast"]
_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "abreast", *sys.argv[1:]])
"""


def environment(**more: str) -> dict[str, str]:
    """What tests start programs with: nothing that CI or a person may have switched on."""
    left_out = ("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS", "PYTHONIOENCODING", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "TERM": "xterm-256color", "PYTHONWARNINGS": "default", **more}


class Done:
    """How a call of the program ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@contextmanager
def started(*words: str, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """The program, running; ended by force at the end of the block if it still does."""
    with subprocess.Popen([*PROGRAM, *words], env=environment(), **options) as program:
        try:
            yield program
        finally:
            if program.poll() is None:
                program.kill()


Abreast = Callable[..., Done]


@pytest.fixture
def abreast(tmp_path: Path) -> Abreast:
    """Run the program in a folder of its own and return how it ended."""

    def run(*words: str, stdin: str | bytes | None = None, **env: str) -> Done:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            [*PROGRAM, *words],
            cwd=tmp_path, env=environment(**env), capture_output=True, timeout=60, **given,
        )  # fmt: skip
        out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
        assert "ResourceWarning" not in err, err
        return Done(done.returncode, out, err)

    return run


@pytest.fixture
def tasks(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of tasks; ``task`` and ``progress`` are imported already."""

    def write(text: str, name: str = "tasks.py") -> Path:
        path = tmp_path / name
        head = "from abreast import task, progress\n"
        path.write_text(head + textwrap.dedent(text).strip("\n") + "\n", encoding="utf-8")
        return path

    return write


class Terminal:
    """The program on a pseudo-terminal."""

    def __init__(self, words: tuple[str, ...], folder: Path, env: dict[str, str]) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TERMINAL, *words],
            cwd=folder, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._text = b""
        self._news = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                data = b""
            with self._news:
                self._text += data
                self._over = not data
                self._news.notify_all()
            if not data:
                return

    @property
    def text(self) -> str:
        """What has been shown so far."""
        return self._text.decode("utf-8", "replace").replace("\r\n", "\n")

    def wait_for(self, text: str) -> None:
        """Wait until something is shown."""
        with self._news:
            came = self._news.wait_for(lambda: text in self.text or self._over, timeout=30)
        assert came, f"{text!r} did not come:\n{self.text}"
        assert text in self.text, self.text

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.master, keys)

    def end(self) -> int:
        """Wait for the end; returns the exit code."""
        code = self.process.wait(timeout=30)
        self._thread.join(timeout=30)
        return code

    def close(self) -> None:
        """End it by force if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._thread.join(timeout=30)
        os.close(self.master)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Start the program on a terminal of its own."""
    opened: list[Terminal] = []

    def start(*words: str, **env: str) -> Terminal:
        opened.append(Terminal(words, tmp_path, environment(**env)))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def news(tmp_path: Path) -> Iterator[Any]:
    """A FIFO at ``tmp_path / "news"``; calling this returns the next line written to it."""
    path = tmp_path / "news"
    os.mkfifo(path)
    keep = os.open(path, os.O_RDWR)  # so that opening it waits for nobody
    with open(path, encoding="utf-8") as lines:
        yield lines.readline
    os.close(keep)
