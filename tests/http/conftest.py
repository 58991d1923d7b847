"""What the tests of the API share: one service per file, clients of several users."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.http.service_help import GO, Client, Service, serving


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service")) as found:
        yield found


@pytest.fixture
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of its own, in which nothing executes."""
    with serving(tmp_path_factory.mktemp("idle"), working=False) as found:
        yield found


@pytest.fixture
def admin(service: Service) -> Client:
    GO.clear()
    return Client(service)


@pytest.fixture
def viewer(service: Service) -> Client:
    return Client(service, "vera")
