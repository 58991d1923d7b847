"""The OpenAPI document: complete, current, and true whatever is sent."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from tests.http.service_help import GO, Client, Service, listening, problem

from abreast.interfaces.http import hub, run_log
from abreast.interfaces.http.api import ROUTES, make_document

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = make_document()
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance, negative_data_rejection,
]  # fmt: skip
METHODS = ("get", "post", "put", "patch", "delete")
schema: Any = schemathesis.openapi.from_dict(DOCUMENT)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


# -- complete ---------------------------------------------------------------------------------


def test_every_route_is_documented() -> None:
    served = {
        (route.path_format, method.lower())
        for routes in ROUTES
        for route in routes.routes
        if isinstance(route, APIRoute) and route.path.startswith("/api/v1/")
        for method in route.methods or ()
    }
    documented = {(path, method) for path, method, _ in operations()}
    assert len(served) > 40
    assert served <= documented
    assert {"/livez", "/readyz", "/metrics"} < {path for path, _ in documented}


def test_every_operation_says_what_it_does() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    for path, method, operation in operations():
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert len(operation["tags"]) == 1, where
        if path.startswith("/api/v1/"):
            assert {"401", "403", "500", "503"} <= set(operation["responses"]), where
        for status, said in operation["responses"].items():
            assert said["description"], f"{where} {status}"
            if int(status) >= 400 and path.startswith("/api/"):
                assert list(said["content"]) == ["application/problem+json"], f"{where} {status}"


def test_references_lead_somewhere() -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    assert DOCUMENT["openapi"].startswith("3.1")
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(references(DOCUMENT)) <= known


def test_the_document_is_served(viewer: Client) -> None:
    answer = viewer.get("/api/openapi.json")
    assert answer.json() == DOCUMENT
    problem(Client(viewer.service, None).get("/api/openapi.json"), 401, "unauthenticated")


def test_the_reference_page_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "api_page.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# -- true -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(service: Service) -> Iterator[tuple[str, dict[str, str]]]:
    """A real server with some runs, whose streams end soon, and what an admin sends along."""
    GO.set()  # nothing waits
    patch = pytest.MonkeyPatch()
    patch.setattr(hub, "LONGEST_S", 0.05)
    patch.setattr(run_log, "LONGEST_S", 0.05)
    admin = Client(service)
    for _ in range(30):  # so that the number of our own token is none that is soon guessed
        admin = Client(service)
    for task in ("add", "fail", "steps"):
        admin.ended(admin.start(task)["id"])
    admin.post("flows", json={"runs": [{"task": "add"}]})
    admin.post("batches", json={"task": "add", "over": {"a": [1]}})
    with listening(service) as (found, _):
        yield found, admin.headers
    patch.undo()


@schema.parametrize()
@settings(
    max_examples=12, deadline=None, derandomize=True, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_whatever_is_sent(case: Any, base: tuple[str, dict[str, str]]) -> None:
    url, headers = base
    if case.operation.definition.raw["operationId"] == "revoke_token" and (
        str(case.path_parameters["id"]) == "31"
    ):
        return  # with it we come in
    response = case.call(base_url=url, headers=headers, timeout=20)
    assert response.status_code != 401, response.text
    if response.status_code >= 400:  # runs have tracebacks of their own
        for word in ("Traceback", "SELECT ", "sqlite3."):
            assert word not in response.text
    case.validate_response(response, checks=CHECKS)


def test_names_are_in_one_style() -> None:
    for name, part in DOCUMENT["components"]["schemas"].items():
        assert re.fullmatch(r"[A-Z][A-Za-z]+", name), name
        for member in part.get("properties", {}):
            assert re.fullmatch(r"[a-z][a-z0-9_]*|traceEvents", member), f"{name}.{member}"
