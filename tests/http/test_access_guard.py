"""The guard: what is refused, with which status, and that nothing changes."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.http.access_help import PASSWORD, Service, cheap_access, server_settings

from abreast.errors import UsageError
from abreast.interfaces.access_listen import check_may_listen, is_loopback, listen_host
from abreast.interfaces.http.guard import Guard

RUNS = "/api/v1/runs"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    service.close()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Any]:
    """Make services with settings of their own."""
    services: list[Service] = []

    def make(**options: Any) -> Service:
        folder = tmp_path / str(len(services))
        folder.mkdir()
        services.append(Service(folder, **options))
        return services[-1]

    yield make
    for service in services:
        service.close()


def problem(answer: Any, status: int) -> str:
    """Check the form of a refusal; returns its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == status
    assert set(found) >= {"type", "title", "status", "detail"}
    assert "Traceback" not in answer.text
    assert "sqlite" not in answer.text.lower()
    return str(found["detail"])


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


# -- who ----------------------------------------------------------------------------------------


def test_closed_to_strangers(service: Service) -> None:
    with service.untouched():
        for method in ("GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "QUERY"):
            answer = service.ask(method, RUNS)
            problem(answer, 401)
            assert answer.headers["www-authenticate"] == 'Basic realm="abreast", charset="UTF-8"'
        problem(service.ask("GET", "/openapi.json"), 401)
        problem(service.ask("GET", "/nothing/here"), 401)
    assert service.seen == []
    assert service.ask("GET", "/livez").json() == {"user": None, "scheme": "http"}


def test_people_are_sent_to_log_in(service: Service) -> None:
    answer = service.ask("GET", "/page?a=1&b=%2F", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fpage%3Fa%3D1%26b%3D%252F"
    navigate = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    assert service.ask("GET", "/api/docs", headers=navigate).status_code == 303
    script = {"Sec-Fetch-Mode": "cors", "Accept": "text/html"}
    answer = service.ask("GET", "/page", headers=script)
    problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer ")  # no window of the browser's
    problem(service.ask("POST", "/page", headers={"Accept": "text/html"}), 401)


def test_a_token_lets_in(service: Service) -> None:
    headers = service.token("operator")
    assert service.ask("GET", RUNS, headers=headers).json()["user"] == "robot-operator"
    answer = service.ask("POST", RUNS, headers=headers, content=b"{}")
    assert answer.status_code == 200
    assert service.changes == [b"{}"]
    lower = {"authorization": headers["Authorization"].replace("Bearer", "bearer")}
    assert service.ask("GET", RUNS, headers=lower).status_code == 200


def test_expired_revoked_and_forged_tokens(service: Service) -> None:
    short = service.token("operator", service.clock() + 60)
    good = service.token("operator")
    text = good["Authorization"].removeprefix("Bearer ")
    service.clock.pass_(60)
    forged = ["", "abr_", text[:-1], text + "x", text.replace("abr_", ""), text.swapcase(),
              "abr_" + "A" * 43, "abr_" + "A" * 100_000, text + " " + text, "null"]  # fmt: skip
    with service.untouched():
        problem(service.ask("POST", RUNS, headers=short), 401)
        for wrong in forged:
            headers = {"Authorization": f"Bearer {wrong}"}
            problem(service.ask("POST", RUNS, headers=headers), 401)
        for way in (f"{RUNS}?token={text}", f"{RUNS}?access_token={text}"):
            problem(service.ask("POST", way), 401)
        problem(service.ask("POST", RUNS, headers={"Cookie": f"abreast_session={text}"}), 401)
        problem(service.ask("POST", RUNS, headers={"X-API-Key": text}), 401)
    assert service.ask("POST", RUNS, headers=good).status_code == 200
    id = service.access.tokens()[-1].id
    service.access.revoke_token(id)
    problem(service.ask("POST", RUNS, headers=good), 401)


def test_a_token_just_used_is_no_cookie(service: Service) -> None:
    headers = service.token("operator")
    text = headers["Authorization"].removeprefix("Bearer ")
    assert service.ask("GET", RUNS, headers=headers).status_code == 200
    problem(service.ask("GET", RUNS, headers={"Cookie": f"abreast_session={text}"}), 401)
    cookie, _ = service.session()
    value = cookie["Cookie"].partition("=")[2]
    assert service.ask("GET", RUNS, headers=cookie).status_code == 200
    problem(service.ask("GET", RUNS, headers={"Authorization": f"Bearer {value}"}), 401)


def test_name_and_password(service: Service) -> None:
    service.add("anna", "operator")
    assert service.ask("GET", RUNS, auth=("anna", PASSWORD)).json()["user"] == "anna"
    assert service.ask("POST", RUNS, auth=("anna", PASSWORD)).status_code == 200
    with service.untouched():
        detail = problem(service.ask("POST", RUNS, auth=("anna", "wrong horse")), 401)
        assert detail == problem(service.ask("POST", RUNS, auth=("bob", PASSWORD)), 401)
        problem(service.ask("POST", RUNS, auth=("anna" * 1000, PASSWORD)), 401)
        problem(service.ask("POST", RUNS, auth=("anna", PASSWORD * 10_000)), 401)


@pytest.mark.parametrize(
    "text", ["Basic", "Basic ", "Basic !!!!", "Basic YW5uYQ==", "Basic /w==", "Digest a=b", "x", ""]
)
def test_authorization_that_says_nothing(service: Service, text: str) -> None:
    service.add("anna", "operator")
    with service.untouched():
        problem(service.ask("POST", RUNS, headers={"Authorization": text}), 401)


def test_the_same_password_is_looked_at_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.add("anna", "operator")
    looked: list[str] = []
    verify = service.access.verify
    monkeypatch.setattr(service.access, "verify", lambda n, p: (looked.append(n), verify(n, p))[1])
    asked = [("GET", RUNS, {"auth": ("anna", PASSWORD)})] * 32
    assert {answer.status_code for answer in service.ask_all(asked)} == {200}
    assert looked == ["anna"]


def test_many_wrong_passwords_at_once(service: Service) -> None:
    service.add("anna", "operator")
    asked = [("POST", RUNS, {"auth": ("anna", f"wrong horse {n}")}) for n in range(30)]
    with service.untouched():
        found = [answer.status_code for answer in service.ask_all(asked)]
    assert found.count(401) <= 5
    assert set(found) == {401, 429}


def test_guessing_is_slowed_down(service: Service) -> None:
    service.add("anna", "operator")
    for _ in range(5):
        problem(service.ask("POST", RUNS, auth=("anna", "wrong horse")), 401)
    with service.untouched():
        answer = service.ask("POST", RUNS, auth=("anna", PASSWORD))
        problem(answer, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 2
    assert service.ask("GET", RUNS, auth=("anna", PASSWORD), client="10.1.1.1").status_code == 200
    service.clock.pass_(2)
    assert service.ask("POST", RUNS, auth=("anna", PASSWORD), client="10.2.2.2").status_code == 200


# -- roles --------------------------------------------------------------------------------------


def test_a_viewer_looks_only(service: Service) -> None:
    viewer = service.token("viewer")
    assert service.ask("GET", RUNS, headers=viewer).status_code == 200
    with service.untouched():
        for path in (RUNS, "/api/v1/forgotten", "/anything"):
            for method in ("POST", "DELETE", "PUT", "PATCH"):
                detail = problem(service.ask(method, path, headers=viewer), 403)
                assert "operator" in detail
        problem(service.ask("GET", "/api/v1/tokens", headers=viewer), 403)
    assert service.ask("POST", "/api/v1/schedules/preview", headers=viewer).status_code == 200
    operator = service.token("operator")
    assert service.ask("POST", "/api/v1/forgotten", headers=operator).status_code == 200
    problem(service.ask("GET", "/api/v1/tokens", headers=operator), 403)
    assert service.ask("GET", "/api/v1/tokens", headers=service.token("admin")).status_code == 200


def test_anonymous_looks_from_this_machine_only(made: Any) -> None:
    service = made(anonymous="viewer", listen=["127.0.0.1:7000", "10.0.0.5:7000"])
    assert service.ask("GET", RUNS).json()["user"] == "anonymous"
    with service.untouched():
        answer = service.ask("POST", RUNS)
        problem(answer, 401)
        problem(service.ask("GET", "/api/v1/tokens"), 401)
        problem(service.ask("GET", RUNS, client="10.0.0.9"), 401)
        problem(service.ask("GET", RUNS, home="http://10.0.0.5:7000"), 401)
        forwarded = {"X-Forwarded-For": "127.0.0.1"}
        problem(service.ask("GET", RUNS, headers=forwarded), 401)  # a proxy stands between
        problem(service.ask("GET", RUNS, auth=("anna", "wrong horse")), 401)
    assert service.ask("GET", RUNS, headers=service.token("admin")).json()["user"] == "robot-admin"
    with pytest.raises(UsageError, match="'viewer' only"):
        made(anonymous="admin")


# -- cookies and pages of others ------------------------------------------------------------------


def test_a_cookie_needs_its_token_to_change_something(service: Service) -> None:
    cookie, csrf = service.session("operator")
    assert service.ask("GET", RUNS, headers=cookie).json()["user"] == "person-operator"
    with service.untouched():
        for wrong in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": csrf[:-1]},
                      {"X-CSRF-Token": csrf + "x"}, {"X-CSRF-Token": b"\xe9"}):  # fmt: skip
            answer = service.ask("POST", RUNS, headers=cookie | wrong, content=b"{}")
            assert "X-CSRF-Token" in problem(answer, 403)
        problem(service.ask("DELETE", RUNS, headers=cookie), 403)
        problem(service.ask("POST", f"{RUNS}?csrf_token={csrf}", headers=cookie), 403)
        problem(service.ask("POST", RUNS, headers=cookie, data={"csrf_token": "x"}), 403)
        problem(service.ask("POST", RUNS, headers=cookie, data={"x": csrf}), 403)
        problem(service.ask("POST", RUNS, headers=cookie, json={"csrf_token": csrf}), 403)
    good = cookie | {"X-CSRF-Token": csrf}
    assert service.ask("POST", RUNS, headers=good, content=b"1").status_code == 200
    form = service.ask("POST", RUNS, headers=cookie, data={"csrf_token": csrf, "a": "b"})
    assert form.status_code == 200
    assert service.changes == [b"1", f"csrf_token={csrf}&a=b".encode()]


def test_another_session_s_token_does_not_do(service: Service) -> None:
    cookie, _ = service.session("operator")
    _, csrf = service.session("admin")
    with service.untouched():
        problem(service.ask("POST", RUNS, headers=cookie | {"X-CSRF-Token": csrf}), 403)


def test_tampered_cookies(service: Service) -> None:
    cookie, csrf = service.session("operator")
    value = cookie["Cookie"].partition("=")[2]
    wrong = [value[:-1], value + "A", value.swapcase(), "", "x", "a" * 10_000, f"x{value}",
             "../../etc/passwd", "' OR '1'='1", f"x; abreast_session={value}"]  # fmt: skip
    with service.untouched():
        for text in wrong:
            headers = {"Cookie": f"abreast_session={text}", "X-CSRF-Token": csrf}
            problem(service.ask("POST", RUNS, headers=headers), 401)
        for name in ("abreast_sessio", "session", "xabreast_session"):
            headers = {"Cookie": f"{name}={value}", "X-CSRF-Token": csrf}
            problem(service.ask("POST", RUNS, headers=headers), 401)
    beside = {"Cookie": f"a=b; abreast_session={value}; c", "X-CSRF-Token": csrf}
    assert service.ask("POST", RUNS, headers=beside).status_code == 200
    service.clock.pass_(12 * 3600)
    with service.untouched():
        problem(service.ask("POST", RUNS, headers=beside), 401)


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:7001"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://localhost:7000"},
    {"Origin": "http://127.0.0.1:7000.evil.example"},
    {"Origin": "http://127.0.0.1:7000@evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "file://"},
    {"Origin": "chrome-extension://127.0.0.1:7000"},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "something new"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:7000"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_pages_of_others_change_nothing(service: Service, headers: dict[str, str]) -> None:
    cookie, csrf = service.session("admin")
    bearer = service.token("admin")
    with service.untouched():
        for good in (cookie | {"X-CSRF-Token": csrf}, bearer, basic("person-admin", PASSWORD)):
            for method in ("POST", "DELETE"):
                detail = problem(service.ask(method, RUNS, headers=good | headers), 403)
                assert "another site" in detail
        problem(service.ask("POST", "/logout", headers=cookie | headers), 403)
        form = {"name": "person-admin", "password": PASSWORD}
        problem(service.ask("POST", "/login", headers=headers, data=form), 403)


def test_our_own_pages_do(service: Service) -> None:
    cookie, csrf = service.session("admin")
    good = cookie | {"X-CSRF-Token": csrf}
    for own in ({"Origin": "http://127.0.0.1:7000", "Sec-Fetch-Site": "same-origin"},
                {"Sec-Fetch-Site": "none"}, {}):  # fmt: skip
        assert service.ask("POST", RUNS, headers=good | own).status_code == 200


def test_origins_behind_a_proxy(made: Any) -> None:
    service = made(base_url="https://jobs.example.com", trusted_proxies=["10.0.0.0/8"])
    headers = service.token("admin") | {"Host": "jobs.example.com"}

    def post(origin: str, client: str, **more: str) -> int:
        found = headers | {"Origin": origin} | more
        return service.ask("POST", RUNS, headers=found, client=client).status_code

    tls = {"X-Forwarded-Proto": "https"}
    assert post("https://jobs.example.com", "10.0.0.2", **tls) == 200
    assert post("https://jobs.example.com", "10.0.0.2") == 200  # what base_url says
    assert post("https://jobs.example.com:444", "10.0.0.2", **tls) == 403
    assert post("http://jobs.example.com", "10.0.0.2", **tls) == 403
    inner = service.token("admin") | {"Host": "127.0.0.1:7000", "Origin": "https://127.0.0.1:7000"}
    assert service.ask("POST", RUNS, headers=inner).status_code == 200


# -- hosts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7000", "localhost.evil.example", "127.0.0.1.evil.example",
     "10.0.0.5", "0.0.0.0", "[::2]:7000", "jobs.example.com", "xlocalhost"],
)  # fmt: skip
def test_names_that_are_not_ours(service: Service, host: str) -> None:
    cookie, csrf = service.session("admin")
    bearer = service.token("admin")
    with service.untouched():
        for good in (cookie | {"X-CSRF-Token": csrf}, bearer, {}):
            headers = good | {"Host": host, "Origin": f"http://{host}"}
            for method, path in (("GET", "/livez"), ("POST", RUNS), ("GET", "/login")):
                problem(service.ask(method, path, headers=headers), 421)


@pytest.mark.parametrize(
    "host", ["", " ", "a b", "a/b", "127.0.0.1:x", "127.0.0.1:99999", "[::1", "a@b", "a,b", "[x]"]
)
def test_hosts_that_are_none(service: Service, host: str) -> None:
    problem(service.ask("GET", "/livez", headers={"Host": host}), 400)


def test_names_that_are_ours(made: Any) -> None:
    service = made(
        listen=["127.0.0.1:7000", "Jobs.lan:7000", "[fd00::1]:7000"],
        hosts=["jobs.example.com", "other.example:8000"], base_url="https://abreast.example/x",
    )  # fmt: skip
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3:7", "[::1]", "[::1]:80",
                 "jobs.lan", "jobs.lan.", "[FD00:0::1]:7000", "jobs.example.com:9",
                 "other.example:8000", "abreast.example:443"):  # fmt: skip
        answer = service.ask("GET", "/livez", headers={"Host": host})
        assert answer.status_code == 200, host
    for host in ("other.example", "other.example:8001", "10.0.0.1"):
        assert service.ask("GET", "/livez", headers={"Host": host}).status_code == 421, host


def test_on_all_addresses_the_one_that_was_called_is_ours(made: Any) -> None:
    for listen in ("0.0.0.0:7000", "[::]:7000", ":7000"):
        service = made(listen=[listen])
        home = "http://10.0.0.5:7000"
        assert service.ask("GET", "/livez", home=home).status_code == 200
        assert service.ask("GET", "/livez", home="http://box:7000").status_code == 421
        answer = service.ask("GET", "/livez", home=home, headers={"Host": "10.0.0.6"})
        assert answer.status_code == 421
    with pytest.raises(UsageError, match="no host"):
        made(hosts=["a b"])


def test_changed_settings_count_at_once(service: Service) -> None:
    named = {"Host": "jobs.example.com"}
    assert service.ask("GET", "/livez", headers=named).status_code == 421
    service.asgi.heed(server_settings(hosts=["jobs.example.com"]))
    assert service.ask("GET", "/livez", headers=named).status_code == 200
    with pytest.raises(UsageError):
        service.asgi.heed(server_settings(trusted_proxies=["x"]))
    assert service.ask("GET", "/livez", headers=named).status_code == 200


# -- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/%2e%2e/etc/passwd", "/..%2fetc/passwd", "/login/%2e%2e/api/v1/runs", "/livez/..%2f",
     "/api/v1/runs/..%5c..%5c", "/a%5cb", "/a%00b", "/a%0ab", "/%2e/livez", "/login/..%2f..%2f"],
)  # fmt: skip
def test_paths_that_lead_elsewhere(service: Service, path: str) -> None:
    bearer = service.token("admin")
    with service.untouched():
        for headers in ({}, bearer):
            problem(service.ask("GET", path, headers=headers), 400)
            problem(service.ask("POST", path, headers=headers), 400)


def test_open_paths_are_open_as_they_are(service: Service) -> None:
    for path in ("/livez/", "/livez/x", "/LIVEZ", "//livez", "/login/", "/login/session"):
        assert service.ask("GET", path).status_code == 401, path


def test_open_folders(made: Any) -> None:
    service = made()
    service.asgi = Guard(service._make(), service.access, service.settings, open_paths=["/static/"])
    assert service.ask("GET", "/static/x.css").status_code == 404
    assert service.ask("GET", "/static").status_code == 401
    assert service.ask("GET", "/static/%2e%2e/api/v1/runs").status_code == 400


# -- bodies ---------------------------------------------------------------------------------------


def test_huge_bodies(made: Any) -> None:
    service = made(guard={"max_body": 100_000})
    headers = service.token("operator")
    cookie, csrf = service.session("operator")

    async def pieces() -> Any:
        for _ in range(11):
            yield b"x" * 10_000

    with service.untouched():
        for good in (headers, cookie | {"X-CSRF-Token": csrf}):
            problem(service.ask("POST", RUNS, headers=good, content=b"x" * 100_001), 413)
            problem(service.ask("POST", RUNS, headers=good, content=pieces()), 413)
            problem(service.ask("POST", "/login", headers=good, content=pieces()), 413)
            lie = good | {"Content-Length": "999999999999"}
            problem(service.ask("POST", RUNS, headers=lie, content=b"x"), 413)
            problem(service.ask("GET", RUNS, headers=lie), 413)
        wrong = headers | {"Content-Length": "-1"}
        problem(service.ask("POST", RUNS, headers=wrong, content=b"x"), 400)
        problem(service.ask("POST", RUNS, content=b"x" * 100_001), 401)
        problem(service.ask("POST", "/login", content=b"x" * 70_000), 413)
    answer = service.ask("POST", RUNS, headers=headers, content=b"x" * 100_000)
    assert answer.status_code == 200
    assert len(service.changes[0]) == 100_000


def test_bad_bodies_arrive_as_they_are(service: Service) -> None:
    headers = service.token("operator")
    for body in (b"{", b"\xff\xfe", b"[" * 50_000, b"null", b"NaN", b'{"a": 1, "a": 2}', b""):
        sent = headers | {"Content-Type": "application/json"}
        assert service.ask("POST", RUNS, headers=sent, content=body).status_code == 200
        assert service.changes[-1] == body


def test_headers_that_contradict_each_other(service: Service) -> None:
    good = service.token("operator")["Authorization"]
    with service.untouched():
        for name, values in {
            "Host": ("127.0.0.1", "evil.example"),
            "Origin": ("http://127.0.0.1:7000", "http://evil.example"),
            "Authorization": (good, "Bearer x"),
            "Content-Length": ("1", "2"),
            "X-CSRF-Token": ("a", "b"),
        }.items():
            headers = [("Authorization", good), *((name, value) for value in values)]
            problem(service.ask("POST", RUNS, headers=headers, content=b"1"), 400)


# -- proxies --------------------------------------------------------------------------------------


def test_only_trusted_proxies_are_believed(made: Any) -> None:
    service = made(trusted_proxies=["10.0.0.0/24", "::1"])
    told = service.token("viewer") | {"X-Forwarded-Proto": "https"}

    def look(client: str, forwarded: str) -> tuple[str, str]:
        headers = told | {"X-Forwarded-For": forwarded}
        scheme = service.ask("GET", RUNS, headers=headers, client=client).json()["scheme"]
        return service.seen[-1][1], scheme

    assert look("192.0.2.1", "203.0.113.9") == ("192.0.2.1", "http")
    assert look("10.0.0.7", "203.0.113.9") == ("203.0.113.9", "https")
    assert look("10.0.0.7", "6.6.6.6, 203.0.113.9, 10.0.0.8") == ("203.0.113.9", "https")
    assert look("10.0.0.7", "10.0.0.9") == ("10.0.0.9", "https")
    assert look("10.0.0.7", "") == ("10.0.0.7", "https")
    assert look("10.0.0.7", "203.0.113.9, evil\tname") == ("10.0.0.7", "https")
    assert look("::1", "2001:db8::5") == ("2001:db8::5", "https")
    with pytest.raises(UsageError, match="trusted_proxies"):
        made(trusted_proxies=["proxy.example"])


def test_failures_count_for_the_client_not_the_proxy(made: Any) -> None:
    service = made(trusted_proxies=["10.0.0.7"])
    service.add("anna", "operator")

    def look(client: str, password: str) -> int:
        answer = service.ask("GET", RUNS, auth=("anna", password), client="10.0.0.7",
                             headers={"X-Forwarded-For": client})  # fmt: skip
        return int(answer.status_code)

    assert [look("203.0.113.9", "wrong horse") for _ in range(6)] == [401] * 5 + [429]
    assert look("203.0.113.10", PASSWORD) == 200


# -- the rest -------------------------------------------------------------------------------------


def test_answers_are_only_for_showing(service: Service) -> None:
    for answer in (service.ask("GET", "/livez"), service.ask("GET", RUNS)):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_secrets_are_never_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.add("anna", "admin")
    bearer = service.token("admin")
    cookie, csrf = service.session("operator")
    with caplog.at_level(logging.DEBUG):
        service.ask("GET", RUNS, headers=bearer)
        service.ask("GET", RUNS, headers=cookie)
        service.ask("POST", RUNS, headers=cookie | {"X-CSRF-Token": csrf})
        service.ask("GET", RUNS, auth=("anna", PASSWORD))
        service.ask("GET", RUNS, auth=("anna", "guessed horse"))
        service.ask("GET", RUNS, auth=("pasted secret", "x"))
        service.ask("POST", "/login", data={"name": "anna", "password": PASSWORD})
        link = service.access.new_link("anna")
        service.ask("GET", f"/login/link?token={link}")
        service.ask("GET", "/login/link?token=forged")
    said = "\n".join(
        record.getMessage() for record in caplog.records if record.name.partition(".")[0] != "httpx"
    )
    assert "anna (admin) has logged in from 127.0.0.1" in said
    for secret in (
        PASSWORD,
        "guessed horse",
        "pasted secret",
        csrf,
        link,
        bearer["Authorization"].partition("_")[2],
        cookie["Cookie"].partition("=")[2],
    ):
        assert secret not in said


def test_a_store_that_cannot_be_read(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from abreast.errors import StoreError

    headers = service.token("admin")

    def broken(text: str) -> None:
        raise StoreError("SELECT * FROM tokens: disk I/O error")

    monkeypatch.setattr(service.access, "check_token", broken)
    answer = service.ask("GET", RUNS, headers=headers)
    assert "SELECT" not in problem(answer, 503)
    assert answer.headers["retry-after"] == "5"


def test_web_sockets_are_refused(service: Service) -> None:
    import asyncio

    sent: list[Any] = []

    async def run() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/", "headers": []}
        await service.asgi(scope, None, send)

    asyncio.run(run())
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("listen", "refused"),
    [
        (["127.0.0.1:7000"], False),
        (["localhost:7000", "[::1]:7000", "127.0.0.2"], False),
        (["0.0.0.0:7000"], True),
        ([":7000"], True),
        (["[::]:7000"], True),
        (["127.0.0.1:7000", "10.0.0.5:7000"], True),
        (["jobs.lan:7000"], True),
        (["unix:/run/abreast.sock"], True),
    ],
)
def test_without_users_only_this_machine_is_listened_to(
    service: Service, listen: list[str], refused: bool
) -> None:
    settings = server_settings(listen=listen)
    access = cheap_access(service.app, service.clock)
    if refused:
        with pytest.raises(UsageError, match=r"no users yet.*abreast user add"):
            check_may_listen(settings, access)
    else:
        check_may_listen(settings, access)
    service.add("anna", "admin")
    check_may_listen(settings, access)


def test_anonymous_needs_a_loopback_address(service: Service) -> None:
    service.add("anna", "admin")
    check_may_listen(server_settings(anonymous="viewer"), service.access)
    with pytest.raises(UsageError, match="anonymous"):
        check_may_listen(
            server_settings(anonymous="viewer", listen=["10.0.0.5:7000"]), service.access
        )


def test_addresses() -> None:
    assert [listen_host(text) for text in ("127.0.0.1:7000", "[::1]:80", ":7000", "a.lan", "::1")] \
        == ["127.0.0.1", "::1", "", "a.lan", "::1"]  # fmt: skip
    with pytest.raises(UsageError, match="no address to listen on"):
        listen_host("a b")
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("::ffff:10.0.0.1")
    assert not is_loopback("unix")
