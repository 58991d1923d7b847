"""The server: uvicorn on sockets that are bound already, stopped without making anyone wait."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from asyncio.events import TimerHandle
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ...errors import InternalError
from .api import Api, make_app
from .sockets import bind

if TYPE_CHECKING:
    from .service import Service

__all__ = ["HttpServer", "bind", "serve_http"]

_GRACE_S = 5
_KEEP_ALIVE_S = 75
_MOST = 2000  # connections
_HEAD_S = 15.0  # in which a request has to be there but for its body
_HEAD_BYTES = 64 << 10
_START_S = 30.0

_log = logging.getLogger("abreast")


class Connection(HttpToolsProtocol):
    """A connection whose client has to say what it wants: soon, and not at any length."""

    _timer: TimerHandle | None = None
    _head = 0  # bytes of the request so far; -1: its headers are complete

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        if self._head >= 0:
            self._head += len(data)
        super().data_received(data)
        if self._head > _HEAD_BYTES and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head = 0
        if self._timer is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """The rest is up to the application, which is patient with bodies for a while."""
        self._head = -1
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(_HEAD_S, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        )
        self.transport.close()


class _Server(uvicorn.Server):
    """A server that leaves signals to the service, and lets those who follow go first."""

    def __init__(self, config: uvicorn.Config, api: Api) -> None:
        super().__init__(config)
        self._api = api
        self.ready = threading.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the service's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting; streams end at once, requests that are under way have some seconds."""
        self._api.hub.close()
        await super().shutdown(sockets)


class HttpServer:
    """The HTTP side of a service.

    Parameters
    ----------
    service : Service
    sockets : list of socket
        As :func:`bind` returns them; closed when it stops.
    """

    def __init__(self, service: Service, sockets: Sequence[socket.socket]) -> None:
        self.api = make_app(service)
        self.sockets = list(sockets)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        config = uvicorn.Config(
            self.api, http=Connection, loop=_loop(), ws="none", lifespan="off",
            log_config=None, log_level=logging.WARNING, access_log=False, server_header=False,
            proxy_headers=False,  # whom to believe is the guard's matter
            timeout_keep_alive=_KEEP_ALIVE_S, timeout_graceful_shutdown=_GRACE_S,
            limit_concurrency=_MOST, backlog=2048,
        )  # fmt: skip
        self._server = _Server(config, self.api)

    def run(self) -> None:
        """Serve in this thread until :meth:`stop` is called from another, or a signal handler."""
        self.api.figures.begin()
        self._server.run(self.sockets)

    def start(self) -> None:
        """Serve in a thread of its own; returns when it accepts requests."""
        self._thread = threading.Thread(target=self._serve, name="abreast-http", daemon=True)
        self._thread.start()
        if not self._server.ready.wait(_START_S) or self._error is not None:
            raise InternalError(f"the HTTP server did not start: {self._error}")

    def _serve(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self._error = error
            _log.exception("the HTTP server ended")
        finally:
            self._server.ready.set()

    def ask_to_stop(self) -> None:
        """Begin to stop; may be called in a signal handler."""
        self._server.should_exit = True

    def stop(self) -> None:
        """Stop and wait for it: those who follow go at once, requests have some seconds."""
        self.ask_to_stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self.api.guard.close()

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()


def serve_http(service: Service, sockets: Sequence[socket.socket]) -> HttpServer:
    """Serve a service on bound sockets, in a thread; see :class:`HttpServer`."""
    server = HttpServer(service, sockets)
    server.start()
    return server


def _loop() -> str:
    try:
        import uvloop  # noqa: F401
    except ImportError:
        return "asyncio"
    return "uvloop"
