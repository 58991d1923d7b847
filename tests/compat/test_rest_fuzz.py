"""Whatever is sent to these routes is answered as their description says, and never with a 500."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)

from .rest_help import ANNA, AsUser, Gates, make_app, routes

# The tests are made from the description while they are collected; the store is opened later.
PLACE = tempfile.TemporaryDirectory(prefix="abreast-fuzz-")
APP = make_app(Path(PLACE.name) / "jobs.db", Gates())
schema: Any = schemathesis.openapi.from_asgi("/openapi.json", AsUser(routes(APP), ANNA))


@pytest.fixture(scope="module", autouse=True)
def leave_nothing() -> Iterator[None]:
    yield
    APP.close()
    PLACE.cleanup()


@schema.parametrize()
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_any_request(case: Any) -> None:
    response = case.call()
    assert response.status_code < 500, response.text
    if response.status_code != 200 or "download" not in case.path:
        assert response.headers["content-type"] == ["application/json"]
    case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])


def test_all_routes_are_tried() -> None:
    assert len(list(schema.get_all_operations())) > 20
