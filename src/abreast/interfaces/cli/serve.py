"""``abreast serve`` and ``abreast once``."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from ...errors import AbreastError, UsageError
from .exits import OK
from .out import note

if TYPE_CHECKING:
    from ..service.service import Service
    from ..settings import Settings

_FAILED = 1


def serve(
    folder: str,
    config: str | None,
    app: str | None,
    store: str | None,
    max_workers: int | str | None,
    listen: tuple[str, ...],
    drain: float | None,
    ready_file: str | None,
    for_s: float | None,
) -> int:
    """Carry out ``abreast serve``; returns the exit code."""
    settings = _settings(folder, config, app=app, store=store, max_workers=max_workers,
                         listen=list(listen) or None, drain=drain)  # fmt: skip
    _needs_server()
    from ..access_listen import check_may_listen
    from ..http.server import HttpServer, bind
    from ..http.sockets import address_of
    from ..service import sd_notify
    from ..service.service import Service

    _log_to_stderr()
    sd_notify.manager()  # takes its variables out of what task processes inherit
    signals = _Signals()
    service = Service(settings)
    check_may_listen(settings, service.access)
    sockets = bind(settings.server.listen)
    service.start()
    server = HttpServer(service, sockets)
    service.heeding.append(server.api.guard.heed)
    try:
        server.start()
        _say_where(service, [address_of(sock) for sock in sockets], ready_file)
        sd_notify.ready()
        signals.heed(service)
        signals.stop.wait(for_s)
    finally:
        sd_notify.stopping()
        _stop(service, server)
    return OK


def _stop(service: Service, server: Any) -> None:
    running = service.app.live()
    if any(count for count, _ in running.values()):
        note(f"abreast: stopping; running runs get {service.worker.drain:g} seconds, "
             "Ctrl-C again stops them now")  # fmt: skip
    service.stop_starting()
    service.drain()
    server.stop()
    service.leave()


class _Signals:
    """What the signals of this process mean to a service."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._service: Service | None = None
        self._reload = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._hup)

    def heed(self, service: Service) -> None:
        """From now on a second signal hurries, and SIGHUP reloads."""
        self._service = service
        threading.Thread(target=self._reloading, name="abreast-reload", daemon=True).start()

    def _stop(self, number: int, frame: Any) -> None:
        if self._service is None:
            raise KeyboardInterrupt
        if self.stop.is_set():
            self._service.worker.hurry()
        self.stop.set()

    def _hup(self, number: int, frame: Any) -> None:
        self._reload.set()

    def _reloading(self) -> None:
        from ..service import sd_notify

        log = logging.getLogger("abreast")
        while True:
            self._reload.wait()
            self._reload.clear()
            assert self._service is not None
            sd_notify.reloading()
            try:
                for said in self._service.reload():
                    log.info("%s", said)
                log.info("the configuration was read again")
            except AbreastError as error:
                log.error("the configuration stays as it was: %s", error)
            sd_notify.ready()


def once(
    folder: str,
    config: str | None,
    app: str | None,
    store: str | None,
    max_workers: int | str | None,
    quiet: bool,
) -> int:
    """Carry out ``abreast once``; returns the exit code."""
    settings = _settings(folder, config, app=app, store=store, max_workers=max_workers)
    from ..service.service import Service

    _log_to_stderr(logging.ERROR if quiet else logging.INFO)
    service = Service(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.worker.stop())
    began = time.time()
    ran = service.once()
    if not ran:
        if not quiet:
            note("abreast: another one is at it")
        return OK
    failed = service.failed_since(began)
    for run in failed:
        error = "" if run.exception is None else f": {run.exception}"
        print(f"run {run.id} {run.label!r} {run.state}({run.reason}){error}", file=sys.stderr)
    return _FAILED if failed else OK


def _settings(folder: str, config: str | None, **flags: Any) -> Settings:
    """The settings that count in a folder."""
    from ..settings import load

    place = os.path.abspath(folder)
    if not os.path.isdir(place):
        raise UsageError(f"there is no folder {folder!r}; 'abreast init {folder}' makes one")
    names = {"app": "app", "store": "store", "max_workers": "scheduler.max_workers",
             "listen": "server.listen", "drain": "scheduler.drain"}  # fmt: skip
    said = {names[key]: value for key, value in flags.items() if value is not None}
    return load(place, config=config, flags=said)


def _needs_server() -> None:
    try:
        import argon2  # noqa: F401
        import fastapi  # noqa: F401
        import rjsmin  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            f"abreast serve needs {error.name!r}, which is not installed: "
            "pip install 'abreast[server]'"
        ) from None


def _log_to_stderr(level: int = logging.INFO) -> None:
    """What the service has to say goes to standard error, a line each."""
    handler = logging.StreamHandler()
    # The journal and supervisors put the time in front themselves; a terminal does not.
    plain = "JOURNAL_STREAM" in os.environ
    handler.setFormatter(
        logging.Formatter(
            "%(levelname)s %(message)s" if plain else "%(asctime)s %(levelname)s %(message)s"
        )
    )
    log = logging.getLogger("abreast")
    log.handlers[:] = [handler]
    log.setLevel(level)
    log.propagate = False


def _say_where(service: Service, addresses: list[str], ready_file: str | None) -> None:
    """The lines a person sees first: where it is, what it serves, what comes next."""
    settings, app = service.settings, service.app
    url = settings.server.base_url or addresses[0]
    link = None
    if not service.access.users():
        link = f"{url}/login/link?token={service.access.new_link()}"
    names = [name for name in app.tasks if not name.startswith("abreast:")]
    lines = [
        f"abreast {service.version} serves {settings.folder}",
        *(f"  address   {address}" for address in addresses),
        *([f"  log in    {link}  (once, within 10 minutes)"] if link else []),
        f"  tasks     {len(names)}" + (f": {', '.join(names[:8])}" if names else ""),
        f"  store     {app.url}",
        f"  config    {settings.path or 'none, defaults count'}",
        f"  zone      {service.zone}",
        f"  workers   {service.worker.concurrency} runs at once"
        + (" (auto)" if service.worker.auto else ""),
        f"  next      {_next(service)}",
    ]
    for line in lines:
        print(line, file=sys.stderr, flush=True)
    if ready_file is not None:
        part = ready_file + ".part"
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"url": addresses[0], "login": link, "pid": os.getpid()}, file)
        os.replace(part, ready_file)


def _next(service: Service) -> str:
    """What the clock brings next."""
    from ..report_text import duration

    views = [v for v in service.app.schedules.list() if v.due is not None and v.paused is None]
    if not views:
        return "nothing is scheduled"
    first = min(views, key=lambda view: view.due or 0.0)
    return f"{first.name} in {duration(max(0.0, (first.due or 0.0) - service.wall()))}"
