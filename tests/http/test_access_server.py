"""The guard behind a real server: what only shows on the wire."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.http.access_help import PASSWORD, Service, talk

RUNS = "/api/v1/runs"


@pytest.fixture(params=["h11", "httptools"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Service, int]]:
    service = Service(tmp_path, guard={"max_body": 200_000, "body_seconds": 0.3})
    with service.served(request.param) as port:
        yield service, port
    service.close()


def head(line: str, *headers: str, host: str = "127.0.0.1") -> bytes:
    return "\r\n".join([line + " HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1")


def test_paths_as_they_are_sent(served: tuple[Service, int]) -> None:
    service, port = served
    bearer = f"Authorization: {service.token('admin')['Authorization']}"
    with service.untouched():
        for path in ("/../../../etc/passwd", "/livez/../api/v1/runs", "/%2e%2e/%2e%2e/etc/passwd",
                     "/..%2f..%2fetc%2fpasswd", "/..\\..\\etc", "/%5c..%5c",
                     "/%252e%252e%252fetc"):  # fmt: skip
            status, answer = talk(port, head(f"GET {path}", bearer))
            assert status == 400, path
            assert b"root:" not in answer


def test_hosts_as_they_are_sent(served: tuple[Service, int]) -> None:
    service, port = served
    bearer = f"Authorization: {service.token('admin')['Authorization']}"
    with service.untouched():
        rebound = head(f"POST {RUNS}", bearer, "Content-Length: 2", host=f"evil.example:{port}")
        assert talk(port, rebound, b"{}")[0] == 421
        twice = head(f"POST {RUNS}", bearer, "Host: evil.example", "Content-Length: 2")
        assert talk(port, twice, b"{}")[0] == 400
        absolute = head(f"POST http://evil.example{RUNS}", bearer, "Content-Length: 2")
        status, _ = talk(port, absolute, b"{}")
        assert status in (200, 404)  # Host decides, and it names us
        service.changes.clear()
    assert talk(port, head("GET /livez", host=f"localhost:{port}"))[0] == 200


def test_huge_bodies_on_the_wire(served: tuple[Service, int]) -> None:
    service, port = served
    headers = service.token("operator")
    bearer = f"Authorization: {headers['Authorization']}"
    address = f"http://127.0.0.1:{port}{RUNS}"
    with service.untouched():
        for _ in range(3):
            assert httpx.post(address, headers=headers, content=b"x" * 5_000_000).status_code == 413
        announced = head(f"POST {RUNS}", bearer, "Content-Length: 99999999999")
        status, answer = talk(port, announced)
        assert status == 413
        assert b"application/problem+json" in answer
        chunked = head(f"POST {RUNS}", bearer, "Transfer-Encoding: chunked")
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        assert talk(port, chunked + piece * 4)[0] == 413
        asked = head(f"POST {RUNS}", bearer, "Content-Length: 5000000", "Expect: 100-continue")
        assert talk(port, asked)[0] == 413  # before the body was sent
        nobody = head(f"POST {RUNS}", "Content-Length: 5000000")
        assert talk(port, nobody)[0] == 401
        assert httpx.post(address, content=b"x" * 5_000_000).status_code == 401
    with httpx.Client(headers=headers) as http:  # the connection stays of use
        assert http.post(address, content=b"x" * 300_000).status_code == 413
        assert http.post(address, content=b"{}").status_code == 200
    assert service.changes == [b"{}"]


def test_slow_bodies(served: tuple[Service, int]) -> None:
    service, port = served
    bearer = f"Authorization: {service.token('operator')['Authorization']}"
    with service.untouched():
        slow = head(f"POST {RUNS}", bearer, "Content-Length: 10")
        status, answer = talk(port, slow, b"12345")
        assert status == 408
        assert b"connection: close" in answer.lower()
        chunked = head(f"POST {RUNS}", bearer, "Transfer-Encoding: chunked")
        assert talk(port, chunked, b"3\r\nabc\r\n")[0] == 408
        login = head("POST /login", "Content-Type: application/x-www-form-urlencoded",
                     "Content-Length: 10")  # fmt: skip
        assert talk(port, login, b"name=")[0] == 408


def test_clients_that_leave_in_the_middle(
    served: tuple[Service, int], caplog: pytest.LogCaptureFixture
) -> None:
    service, port = served
    bearer = f"Authorization: {service.token('operator')['Authorization']}"
    with service.untouched(), caplog.at_level(logging.WARNING):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
                wire.sendall(head(f"POST {RUNS}", bearer, "Content-Length: 10") + b"12345")
        assert talk(port, head("GET /livez"))[0] == 200
    assert caplog.messages == []


def test_what_is_no_request(served: tuple[Service, int]) -> None:
    service, port = served
    bearer = f"Authorization: {service.token('operator')['Authorization']}"
    with service.untouched():
        for wrong in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            head(f"POST {RUNS}", bearer, "Content-Length: -1"),
            head(f"POST {RUNS}", bearer, "Content-Length: 2", "Content-Length: 3"),
            head(f"POST {RUNS}", bearer, "Content-Length: 2", "Transfer-Encoding: chunked"),
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
                wire.sendall(wrong)
                answer = wire.recv(65536)
            assert not answer or answer.startswith(b"HTTP/1.1 400"), wrong


def test_the_server_s_own_log_has_no_secrets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(tmp_path)
    link = service.access.new_link()
    with caplog.at_level(logging.INFO), service.served() as port:
        status, answer = talk(port, head(f"GET /login/link?token={link}"))
        assert status == 303
        wrong = "forged-but-nearly-right"
        assert talk(port, head(f"GET /login/link?token={wrong}"))[0] == 403
        service.add("anna", "admin")
        http = f"http://127.0.0.1:{port}"
        assert httpx.get(http + RUNS, auth=("anna", PASSWORD)).status_code == 200
    said = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")
    )
    assert "/login/link?token=..." in said
    cookie = answer.partition(b"abreast_session=")[2].partition(b";")[0].decode()
    assert cookie
    for secret in (link, wrong, PASSWORD, cookie):
        assert secret not in said
    service.close()
