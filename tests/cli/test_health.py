"""`abreast health`, asked of a real web server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.cli.conftest import Abreast

WAIT_S = 30


class Service(ThreadingHTTPServer):
    """Answers with a status by path; ``silent``: not before it is set."""

    daemon_threads = True

    def __init__(self, **answers: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.hold = threading.Event()
        self.hold.set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self.server.hold.wait(WAIT_S)
        status = self.server.answers.get(self.path.strip("/"), 404)
        said = b'{"title": "scheduler: it has not turned"}' if status != 200 else b"{}"
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def service(**answers: int) -> Iterator[Service]:
    server = Service(**answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.hold.set()
        server.shutdown()
        server.server_close()
        thread.join(WAIT_S)


def test_a_service_that_is_well(abreast: Abreast) -> None:
    with service(livez=200, readyz=503) as server:
        done = abreast("health", "--url", server.address)
        assert (done.code, done.err) == (0, "")
        assert done.out == f"http://{server.address}/livez answers 200\n"
        quiet = abreast("health", "-q", "--url", f"http://{server.address}/")
        assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_a_service_that_is_alive_and_not_ready(abreast: Abreast) -> None:
    with service(livez=200, readyz=503) as server:
        done = abreast("health", "--ready", "-q", "--url", server.address)
    assert done.code == 69
    assert done.out == ""
    assert "answers 503 Service Unavailable: " in done.err
    assert "it has not turned" in done.err


def test_a_service_that_is_not_there(abreast: Abreast) -> None:
    with service() as server:
        pass
    done = abreast("health", "--url", server.address)
    assert done.code == 69
    assert "cannot be reached" in done.err
    assert "Traceback" not in done.err


def test_a_service_that_hangs(abreast: Abreast) -> None:
    with service(livez=200) as server:
        server.hold.clear()
        done = abreast("health", "--timeout", "0.3", "--url", server.address)
    assert done.code == 69
    assert "timed out" in done.err


def test_where_the_configuration_says(abreast: Abreast, tmp_path: Path) -> None:
    with service(livez=200) as server:
        port = server.server_address[1]
        listen = f'[server]\nlisten = ["0.0.0.0:{port}", "127.0.0.1:1"]\n'
        (tmp_path / "abreast.toml").write_text(listen)
        done = abreast("health", HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    assert done.out == f"http://127.0.0.1:{port}/livez answers 200\n"


@pytest.mark.parametrize("url", ["ftp://x", "http://", "file:///etc/passwd"])
def test_what_is_no_address(abreast: Abreast, url: str) -> None:
    done = abreast("health", "--url", url)
    assert done.code == 2
    assert "is no address" in done.err
