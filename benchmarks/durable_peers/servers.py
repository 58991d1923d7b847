"""Private servers for the peers that need one: PostgreSQL and Redis in a folder, ended by pid."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


class Missing(Exception):
    """The server is not installed."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def found(name: str, *folders: str) -> str:
    """Return where a program is."""
    path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders))
    if path is None:
        raise Missing(f"{name} is not installed")
    return path


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as own:
        try:
            yield own
        finally:
            own.terminate()
            try:
                own.wait(20)
            except subprocess.TimeoutExpired:
                own.kill()


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run Redis on loopback, without persistence, and yield its URL."""
    server, port = found("redis-server"), free_port()
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no"]
    with running(command, folder / "redis.log") as process:
        wait_for(lambda: answers(port), process, folder / "redis.log")
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run PostgreSQL with its own settings (each commit is synced) and yield its address.

    PostgreSQL does not run as root: then the user ``postgres`` does it.
    """
    places = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    initdb, server = (found(name, *places) for name in ("initdb", "postgres"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres")
    data, port = folder / "data", free_port()
    make = [initdb, "--auth=trust", "--username=bench", "--encoding=UTF8", "-D", str(data)]
    subprocess.run([*as_user, *make], check=True, stdout=subprocess.DEVNULL, cwd="/")
    command = [server, "-D", str(data), "-p", str(port), "-k", str(folder)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=512MB"]
    command += ["-c", "max_wal_size=4GB"]
    with running([*as_user, *command], folder / "postgres.log") as process:
        wait_for(lambda: answers(port), process, folder / "postgres.log")
        yield f"postgresql://bench@127.0.0.1:{port}/postgres"


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(ready, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start: {log.read_text('utf-8')[-800:]}")
        time.sleep(0.05)
    time.sleep(0.3)  # PostgreSQL listens a moment before it takes connections
