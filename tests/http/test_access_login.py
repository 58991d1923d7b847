"""Logging in and out with a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.http.access_help import PASSWORD, Service

from abreast.interfaces.http.login import local


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    service.close()


def login(service: Service, name: str = "anna", password: str = PASSWORD, **more: Any) -> Any:
    return service.ask("POST", "/login", data={"name": name, "password": password, **more})


def cookie_of(answer: Any) -> dict[str, str]:
    value = answer.headers["set-cookie"].partition(";")[0]
    assert value.startswith("abreast_session=")
    return {"Cookie": value}


def test_the_form(service: Service) -> None:
    service.add("anna", "admin")
    answer = service.ask("GET", '/login?next=/runs?a=1%26b="><script>')
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    page = answer.text
    assert "<script" not in page
    assert "style=" not in page
    assert "<style" not in page
    assert 'value="/runs?a=1&amp;b=&quot;&gt;&lt;script&gt;"' in page
    assert "://" not in page  # nothing comes from elsewhere
    style = service.ask("GET", "/login/style.css")
    assert style.headers["content-type"].startswith("text/css")


def test_in_and_out(service: Service) -> None:
    service.add("anna", "operator")
    answer = login(service, next="/runs?state=failed")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/runs?state=failed"
    given = answer.headers["set-cookie"].lower()
    assert "httponly" in given
    assert "samesite=lax" in given
    assert "path=/" in given
    assert "secure" not in given
    assert "domain" not in given
    cookie = cookie_of(answer)
    assert service.ask("GET", "/page", headers=cookie).json()["user"] == "anna"
    who = service.ask("GET", "/login/session", headers=cookie).json()
    assert (who["user"], who["role"]) == ("anna", "operator")
    csrf = {"X-CSRF-Token": who["csrf"]}
    answer = service.ask("GET", "/login?next=/page", headers=cookie)
    assert (answer.status_code, answer.headers["location"]) == (303, "/page")
    assert service.ask("POST", "/logout", headers=cookie).status_code == 403
    assert service.ask("GET", "/page", headers=cookie).status_code == 200
    answer = service.ask("POST", "/logout", headers=cookie | csrf)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert service.ask("GET", "/page", headers=cookie).status_code == 401
    assert service.ask("POST", "/logout", headers=cookie | csrf).status_code == 401


def test_a_viewer_may_leave_with_a_form(service: Service) -> None:
    cookie, csrf = service.session("viewer")
    answer = service.ask("POST", "/logout", headers=cookie, data={"csrf_token": csrf})
    assert answer.status_code == 303
    assert service.ask("GET", "/page", headers=cookie).status_code == 401


def test_every_login_is_a_new_session(service: Service) -> None:
    service.add("anna", "operator")
    first = cookie_of(login(service))
    form = {"name": "anna", "password": PASSWORD}
    second = cookie_of(service.ask("POST", "/login", headers=first, data=form))
    assert first != second
    assert service.ask("GET", "/page", headers=first).status_code == 401
    assert service.ask("GET", "/page", headers=second).status_code == 200
    planted = {"Cookie": "abreast_session=planted"}
    third = cookie_of(service.ask("POST", "/login", headers=planted, data=form))
    assert third != planted


def test_wrong_names_and_passwords(service: Service) -> None:
    service.add("anna", "operator")
    with service.untouched():
        for name, password in (("anna", "wrong horse"), ("bob", PASSWORD), ("", ""), ("anna", ""),
                               ("anna" * 100, PASSWORD), ('"><script>', "xyzzy")):  # fmt: skip
            answer = login(service, name, password)
            assert answer.status_code == 401
            assert "Name or password is wrong." in answer.text
            assert "set-cookie" not in answer.headers
            assert "Basic" not in answer.headers["www-authenticate"]
            assert "<script" not in answer.text
            assert not password or password not in answer.text
        for body in (b"", b"\xff\xff=1", b"a=1&" * 1000, b"{"):
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = service.ask("POST", "/login", headers=headers, content=body)
            assert answer.status_code == 401
        answer = service.ask("POST", "/login", json={"name": "anna", "password": PASSWORD})
        assert answer.status_code == 415


def test_guessing_is_slowed_down(service: Service) -> None:
    service.add("anna", "operator")
    for _ in range(5):
        assert login(service, password="wrong horse").status_code == 401
    with service.untouched():
        answer = login(service)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert "too many" in answer.text
    assert service.ask("GET", "/page", auth=("anna", PASSWORD)).status_code == 429  # the same count
    service.clock.pass_(2)
    assert login(service).status_code == 303


def test_cookies_are_secure_on_tls(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    named = Service(tmp_path / "1", base_url="https://jobs.example.com")
    behind = Service(tmp_path / "2", trusted_proxies=["127.0.0.1"])
    named.add("anna", "operator")
    behind.add("anna", "operator")
    assert "secure" in login(named).headers["set-cookie"].lower()
    assert "secure" not in login(behind).headers["set-cookie"].lower()
    headers = {"X-Forwarded-Proto": "https"}
    form = {"name": "anna", "password": PASSWORD}
    answer = behind.ask("POST", "/login", headers=headers, data=form)
    assert "secure" in answer.headers["set-cookie"].lower()
    named.close()
    behind.close()


def test_a_one_time_link(service: Service) -> None:
    answer = service.ask("GET", "/login")
    assert "one-time link" in answer.text
    assert "<form" not in answer.text
    link = service.access.new_link()
    with service.untouched():
        for wrong in ("", "x", link[:-1]):
            answer = service.ask("GET", f"/login/link?token={wrong}")
            assert answer.status_code == 403
        assert service.ask("GET", "/login/link").status_code == 403
        assert service.ask("HEAD", f"/login/link?token={link}").status_code == 405
        assert service.ask("POST", f"/login/link?token={link}").status_code == 405
    answer = service.ask("GET", f"/login/link?token={link}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["referrer-policy"] == "no-referrer"
    cookie = cookie_of(answer)
    assert service.ask("GET", "/page", headers=cookie).json()["user"] == "local"
    who = service.ask("GET", "/login/session", headers=cookie).json()
    assert who["role"] == "admin"
    with service.untouched():
        again = service.ask("GET", f"/login/link?token={link}")
        assert again.status_code == 403
        assert "abreast user add" in again.text
    service.add("anna", "admin")
    assert service.ask("GET", "/page", headers=cookie).status_code == 401


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "evil", "",
     "/a\r\nSet-Cookie: a=b", "/a\tb", "javascript:alert(1)", "/login", "/logout", "/é",
     "/" + "a" * 3000],
)  # fmt: skip
def test_where_one_is_not_sent(service: Service, target: str) -> None:
    assert local(target) == "/"
    service.add("anna", "operator")
    answer = login(service, next=target)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_below_a_path(tmp_path: Path) -> None:
    import asyncio

    import httpx

    service = Service(tmp_path)
    service.add("anna", "operator")

    async def ask(method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(service.asgi, root_path="/jobs")
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return await http.request(method, path, **options)

    answer = asyncio.run(ask("GET", "/jobs/page", headers={"Accept": "text/html"}))
    assert answer.headers["location"] == "/jobs/login?next=%2Fpage"
    answer = asyncio.run(ask("GET", "/jobs/login"))
    assert 'action="/jobs/login"' in answer.text
    form = {"name": "anna", "password": PASSWORD, "next": "/page"}
    answer = asyncio.run(ask("POST", "/jobs/login", data=form))
    assert answer.headers["location"] == "/jobs/page"
    service.close()
