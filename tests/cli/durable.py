"""What the tests of the commands about stored runs share: an app, and a worker beside it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cli.conftest import Done, started

CONFIG = """
[app]
app = "jobs:app"

[store]
url = "sqlite:///jobs.db"
"""

JOBS = '''
import os
from abreast import App, Limit, progress, step

app = App()

@app.task(executor="thread")
def add(a: int, b: int = 2) -> int:
    print("adding", a, "and", b)
    return a + b

@app.task(executor="thread")
def keep(value, *, times: list[int] | None = None, loud: bool = False):
    return [value, times, loud]

@app.task(executor="thread")
def fail(text="no"):
    print("about to fail")
    raise ValueError(text)

@app.task(timeout=0.1)
def slow():
    import signal
    signal.pause()

@app.task(executor="thread", limits=[Limit(1, "{who}")])
def held(who):
    """Says that it runs, and waits for a word."""
    print("running", who, flush=True)
    progress(1, 2, "half way")
    with open("news", "w") as news:
        news.write(f"{who}\\n")
    with open("go") as go:
        go.read()
    print("over", who)
    return who

@app.task(executor="thread")
def stepped(n: int):
    return step("double", lambda n: 2 * n, n)
'''


def write_app(folder: Path, config: str = CONFIG) -> None:
    """Put an app and an ``abreast.toml`` into a folder."""
    (folder / "jobs.py").write_text(JOBS, encoding="utf-8")
    (folder / "abreast.toml").write_text(config, encoding="utf-8")


@contextmanager
def working(folder: Path, *words: str) -> Iterator[subprocess.Popen[Any]]:
    """A worker that has said that it is at work; drained at the end."""
    pipe = subprocess.PIPE
    with started("worker", *words, cwd=folder, stdout=pipe, stderr=pipe, text=True) as worker:
        assert worker.stderr is not None
        for line in worker.stderr:
            if "executes" in line:
                break
        yield worker
        if worker.poll() is None:
            worker.terminate()
            worker.wait(timeout=30)


def submitted(abreast: Callable[..., Done], *words: str) -> str:
    """Submit and return the id."""
    done = abreast("submit", *words)
    assert done.code == 0, done
    assert done.out.strip().isdecimal(), done
    return done.out.strip()


def document(done: Done) -> Any:
    """The JSON document a command printed; nothing else was said."""
    assert done.err == "", done
    return json.loads(done.out)
