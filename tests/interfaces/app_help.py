"""What the tests of the app share: apps on every kind of store, and somebody who does the work."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abreast import App

STORES = ["memory"]
if importlib.util.find_spec("abreast.stores.sqlite") and importlib.util.find_spec(
    "abreast.interfaces.worker"
):
    STORES.append("sqlite")


def url_of(kind: str, folder: Path) -> str:
    return "memory://" if kind == "memory" else f"sqlite:///{folder}/jobs.db"


@contextmanager
def working(app: App, concurrency: int = 4) -> Iterator[None]:
    """Execute runs in threads of this process meanwhile."""
    with app.worker(concurrency, executor="thread"):
        yield
