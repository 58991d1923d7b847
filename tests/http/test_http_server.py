"""The server: addresses, slow and wordy clients, and a stop that keeps nobody waiting."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.http.service_help import Client, Service, listening

from abreast.errors import UsageError
from abreast.interfaces.http import server as server_module
from abreast.interfaces.http.server import bind
from abreast.interfaces.http.sockets import address_of


def close(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


# -- addresses --------------------------------------------------------------------------------


def test_addresses_are_bound() -> None:
    for text in ("127.0.0.1:0", "0", "localhost:0"):
        sockets = bind([text])
        assert all(address_of(sock).startswith("http://") for sock in sockets)
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
        close(sockets)
    several = bind(["127.0.0.1:0", "127.0.0.1:0"])
    assert len(several) == 2
    close(several)


@pytest.mark.parametrize(
    "text",
    ["", "x", "127.0.0.1", "127.0.0.1:", ":7000", "127.0.0.1:99999", "::1:7000", "[::1:7000",
     "http://127.0.0.1:1", "unix:"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="write"):
        bind([text])


def test_an_address_in_use_says_by_whom_and_what_to_do() -> None:
    (first,) = bind(["127.0.0.1:0"])
    port = first.getsockname()[1]
    try:
        with pytest.raises(UsageError, match=f"127.0.0.1:{port} is in use.*listen elsewhere"):
            bind([f"127.0.0.1:{port}"])
    finally:
        first.close()


def test_all_or_none() -> None:
    (taken,) = bind(["127.0.0.1:0"])
    (free,) = bind(["127.0.0.1:0"])
    port = free.getsockname()[1]
    free.close()
    with pytest.raises(UsageError):
        bind([f"127.0.0.1:{port}", f"127.0.0.1:{taken.getsockname()[1]}"])
    close(bind([f"127.0.0.1:{port}"]))  # it was given back
    taken.close()
    with pytest.raises(UsageError, match="no address"):
        bind([])


def test_an_address_of_others_and_a_name_of_nobody() -> None:
    with pytest.raises(UsageError, match="does not have that address"):
        bind(["192.0.2.1:7000"])
    with pytest.raises(UsageError, match="no address of the name"):
        bind(["no.such.name.invalid:7000"])


def test_a_file_as_an_address(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    (sock,) = bind([f"unix:{path}"])
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="in use by another process"):
        bind([f"unix:{path}"])
    sock.close()
    close(bind([f"unix:{path}"]))  # what a dead process has left behind
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError):
        bind([f"unix:{tmp_path}/file"])
    assert (tmp_path / "file").read_text() == "mine"


# -- clients ----------------------------------------------------------------------------------


def connected(base: str) -> socket.socket:
    host, port = base.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def everything(sock: socket.socket) -> bytes:
    parts = []
    try:
        while part := sock.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_real_request(service: Service, admin: Client) -> None:
    with (
        listening(service) as (base, _),
        httpx.Client(base_url=base, headers=admin.headers) as http,
    ):
        answer = http.post("/api/v1/tasks/add/runs", headers={"Prefer": "wait=20"})
        assert (answer.status_code, answer.json()["state"]) == (200, "completed")
        assert "server" not in answer.headers
        assert http.get("/api/v1/runs", headers={"Host": "evil.example"}).status_code == 421


def test_who_does_not_say_what_they_want(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_HEAD_S", 0.3)
    with listening(service) as (base, _):
        for begin in (b"", b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "):
            with connected(base) as sock:
                sock.sendall(begin)
                assert everything(sock).startswith(b"HTTP/1.1 408 ")
        with connected(base) as sock:  # and who comes back later, on the same connection
            sock.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
            sock.sendall(b"GET /li")
            assert b"HTTP/1.1 408 " in everything(sock)


def test_who_says_too_much(service: Service) -> None:
    with listening(service) as (base, _):
        with connected(base) as sock:
            lines = b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in range(200))
            try:
                sock.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n" + lines + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert b" 431 " in everything(sock)
        with connected(base) as sock:  # many small requests on one connection are not one large
            for _ in range(300):
                sock.sendall(
                    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: %s\r\n\r\n" % (b"x" * 500)
                )
                assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_http(service: Service) -> None:
    with listening(service) as (base, _):
        for data in (
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"HELLO\r\n\r\n",
            b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        ):
            with connected(base) as sock:
                sock.sendall(data)
                assert everything(sock).startswith(b"HTTP/1.1 400 ")


def test_paths_lead_nowhere_else(service: Service, admin: Client) -> None:
    token = admin.headers["Authorization"]
    with listening(service) as (base, _):
        for path in ("/../etc/passwd", "/api/v1/runs/1/../../../etc/passwd",
                     "/api/v1/tasks/..%2F..%2Fetc%2Fpasswd", "/api/v1/runs/%00",
                     "/api/problems/..%2f..%2fx", "//etc/passwd", "/api/v1/tasks/%ff"):  # fmt: skip
            with connected(base) as sock:
                sock.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\n"
                    "Connection: close\r\n\r\n".encode()
                )
                head, _, body = everything(sock).partition(b"\r\n\r\n")
            status = int(head.split(b" ")[1])
            assert 400 <= status < 500, (path, head)
            assert b"root:" not in body


# -- the end ----------------------------------------------------------------------------------


def test_a_request_under_way_is_answered(
    service: Service, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go = threading.Event(), threading.Event()
    real = service.app.workers

    def slowly() -> Any:
        inside.set()
        go.wait(20)
        return real()

    monkeypatch.setattr(service.app, "workers", slowly)
    answers: list[httpx.Response] = []
    with listening(service) as (base, server):
        asker = threading.Thread(
            target=lambda: answers.append(
                httpx.get(f"{base}/api/v1/workers", headers=admin.headers, timeout=30)
            )
        )
        asker.start()
        assert inside.wait(20)
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        go.set()
        asker.join(20)
        stopper.join(20)
        assert not stopper.is_alive()
        assert not server.alive
    assert answers[0].status_code == 200


def test_who_waits_for_a_run_waits_no_longer(service: Service, admin: Client) -> None:
    answers: list[httpx.Response] = []
    with listening(service) as (base, server):
        headers = {**admin.headers, "Prefer": "wait=60"}
        asker = threading.Thread(
            target=lambda: answers.append(
                httpx.post(f"{base}/api/v1/tasks/wait/runs", headers=headers, timeout=60)
            )
        )
        asker.start()
        newest = None
        while newest is None or newest.name != "wait":
            newest = next(iter(service.app.search(limit=1)), None)
        server.stop()
        asker.join(20)
        assert not asker.is_alive()
    assert answers[0].status_code == 202


def test_a_port_is_free_again(service: Service) -> None:
    with listening(service) as (base, _):
        pass
    close(bind([base.removeprefix("http://")]))
