"""The tasks of ``abreast demo``: plain functions that know nothing of who runs them.

Read how they are put together in ``abreast/interfaces/cli/demo.py``. Only :func:`progress` comes
from abreast; outside of a run it does nothing, so each of these can be called and tested by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import socket
import sqlite3
from pathlib import Path

from abreast import progress

SEED = 7
FILES = 24
FILE_SIZE = 1 << 20
NUMBERS = 200_000
PAGES = 20
PAGE_SIZE = 4096


def make_files(folder: Path) -> list[Path]:
    """Write files of random bytes, the same ones every time."""
    folder.mkdir(parents=True, exist_ok=True)
    source = random.Random(SEED)
    paths = []
    for number in range(FILES):
        path = folder / f"part-{number:02}.bin"
        path.write_bytes(source.randbytes(FILE_SIZE))
        paths.append(path)
        progress(number + 1, FILES, path.name)
    print(f"wrote {FILES} files of {FILE_SIZE:,} bytes to {folder}")
    return paths


def checksum(paths: list[Path]) -> str:
    """Return one SHA-256 over all files."""
    total = hashlib.sha256()
    for number, path in enumerate(paths, 1):
        total.update(hashlib.sha256(path.read_bytes()).digest())
        progress(number, len(paths), path.name)
    print(total.hexdigest())
    return total.hexdigest()


def sort_numbers(path: Path) -> Path:
    """Write random numbers to a file, one a line, sorted by a merge sort in plain Python."""
    source = random.Random(SEED)
    runs = [[source.randrange(10**9)] for _ in range(NUMBERS)]
    total = len(runs)
    while len(runs) > 1:
        progress(total - len(runs), total, "merging")
        runs = [_merge(*runs[at : at + 2]) for at in range(0, len(runs), 2)]
    path.write_text("".join(f"{number}\n" for number in runs[0]))
    print(f"sorted {NUMBERS:,} numbers")
    return path


def _merge(left: list[int], right: list[int] | None = None) -> list[int]:
    if right is None:
        return left
    merged = []
    at = 0
    for number in left:
        while at < len(right) and right[at] < number:
            merged.append(right[at])
            at += 1
        merged.append(number)
    return merged + right[at:]


def load_database(numbers: Path, database: Path) -> tuple[int, int]:
    """Load numbers into SQLite; return how many there are and their sum."""
    connection = sqlite3.connect(database)
    try:
        connection.execute("CREATE TABLE number (value INTEGER)")
        with numbers.open() as lines:
            connection.executemany("INSERT INTO number VALUES (?)", ((int(x),) for x in lines))
        connection.commit()
        count, total = connection.execute("SELECT count(*), sum(value) FROM number").fetchone()
    finally:
        connection.close()
    print(f"{count:,} rows, sum {total:,}")
    return count, total


async def fetch_pages() -> int:
    """Start a small web server on this machine and fetch all its pages at once; return bytes."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    done = 0

    async def fetch(number: int) -> int:
        nonlocal done
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /{number} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        done += 1
        progress(done, PAGES, f"page {number}")
        return len(answer.partition(b"\r\n\r\n")[2])

    async with server:
        sizes = await asyncio.gather(*(fetch(number) for number in range(PAGES)))
    print(f"fetched {PAGES} pages from 127.0.0.1:{port}")
    return sum(sizes)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one page, slowly, as far-away servers do."""
    request = await reader.readuntil(b"\r\n\r\n")
    number = int(request.split()[1].strip(b"/"))
    await asyncio.sleep(0.05 * (number + 1))
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * PAGE_SIZE)
    await writer.drain()
    writer.close()


def read_settings(path: Path) -> dict[str, object]:
    """Read a file that somebody has broken. This task is meant to fail."""
    path.write_text('{"retries": 3, "timeout": 30,')
    settings: dict[str, object] = json.loads(path.read_text())
    return settings


def wait_for_answer() -> bytes:
    """Wait for a server that never answers. This task is meant to run into its timeout."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        client.sendall(b"anybody there?")
        print("asked, and waiting for an answer")
        return client.recv(100)
