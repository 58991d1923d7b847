"""What a key of a limit has let through, keys that nobody uses, and one's own password."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.http.service_help import PASSWORD, Client, Service, problem, serving

from abreast import Limit


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with tasks that have limits."""
    with serving(tmp_path_factory.mktemp("limited")) as service:

        @service.app.task(limits=[Limit(2, "/press"), Limit(1, "{tenant}")])
        def sync(tenant: str = "acme") -> str:
            return tenant

        @service.app.task(limits=[Limit(2, "/press", cost=2), Limit(60, "/calls", per="1m")])
        def label() -> None: ...

        yield service


@pytest.fixture
def operator(limited: Service) -> Client:
    return Client(limited, "olga")


def test_what_a_key_has_let_through(operator: Client) -> None:
    ids = [operator.ended(operator.start("sync", tenant=name)["id"])["id"]
           for name in ("acme", "other", "acme")]  # fmt: skip
    ids.append(operator.ended(operator.start("label")["id"])["id"])
    pool = operator.get("limits/history", params={"key": "/press"}).json()
    assert (sorted(pool["tasks"]), pool["truncated"], pool["unfinished"]) == (
        ["label", "sync"],
        False,
        0,
    )
    runs = pool["runs"]
    assert runs["id"] == ids
    assert runs["cost"] == [1, 1, 1, 2]
    assert (pool["n"], pool["per_seconds"]) == (2, None)
    for number in range(4):
        assert 0 < runs["rank"][number] <= runs["started"][number]
        assert runs["took"][number] >= 0
    own = operator.get("limits/history", params={"key": "sync/acme"}).json()
    assert (own["runs"]["id"], own["n"]) == ([ids[0], ids[2]], 1)
    rate = operator.get("limits/history", params={"key": "/calls"}).json()
    assert (rate["tasks"], rate["per_seconds"]) == (["label"], 60)
    newest = operator.get("limits/history", params={"key": "/press", "limit": 2}).json()
    assert (newest["runs"]["id"], newest["truncated"]) == (ids[2:], True)
    none = operator.get("limits/history", params={"key": "sync/nobody"}).json()
    assert (none["runs"]["id"], none["n"]) == ([], None)
    assert operator.get("limits/history", params={"key": "/none"}).json()["tasks"] == []


def test_a_period_that_cannot_be(operator: Client) -> None:
    asked = {"key": "/press", "since": "20", "until": "10"}
    problem(operator.get("limits/history", params=asked), 400, "bad-parameter")
    problem(operator.get("limits/history"), 400, "bad-parameter")


def test_keys_that_nobody_uses(operator: Client) -> None:
    rows = {row["key"]: row for row in operator.get("limits?idle=true").json()["items"]}
    assert {"/press", "/calls", "single"} <= set(rows)
    assert (rows["single"]["held"], rows["single"]["n"]) == (0, 1)
    assert [row["key"] for row in operator.get("limits?idle=true&key=single").json()["items"]] == [
        "single"
    ]
    assert "single" not in {row["key"] for row in operator.get("limits").json()["items"]}


def test_ones_own_password(limited: Service) -> None:
    limited.access.add_user("victor", PASSWORD, "viewer")
    victor = Client(limited, "victor")
    new = "another horse battery"
    wrong = problem(
        victor.post("me/password", json={"current": "guess", "new": new}), 422, "invalid"
    )
    assert wrong["errors"][0]["pointer"] == "/current"
    weak = victor.post("me/password", json={"current": PASSWORD, "new": "victor"})
    assert problem(weak, 422, "invalid")["errors"][0]["pointer"] == "/new"
    assert limited.access.verify("victor", PASSWORD)
    cookie, _ = limited.access.open_session(limited.access.user("victor"))
    answer = victor.post("me/password", json={"current": PASSWORD, "new": new})
    assert answer.status_code == 204, answer.text
    assert limited.access.verify("victor", new)
    assert not limited.access.verify("victor", PASSWORD)
    assert limited.access.check_session(cookie) is None
    stranger = Client(limited, None)
    problem(
        stranger.post("me/password", json={"current": new, "new": PASSWORD}), 401,
        "unauthenticated",
    )  # fmt: skip
