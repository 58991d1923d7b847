"""The bench of the tests of the worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.durable.bench import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("ABREAST_STORE", f"sqlite:///{tmp_path}/jobs.db")
    bench = Bench(tmp_path)
    yield bench
    bench.close()
