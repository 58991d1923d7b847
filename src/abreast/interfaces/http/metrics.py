"""``/metrics``: figures for Prometheus.

What has ended is counted from the events of the store, when somebody asks: nobody pays for
figures that nobody reads. Counters begin when the service does.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from ...domain.states import ENDED
from ..run_json import read_many
from .route import VIEWER, Here, Route, There, in_thread

if TYPE_CHECKING:
    from ...errors import StoreError
    from ..app import App
    from ..stored_run import StoredRun
    from .service import Service

routes = APIRouter(tags=["service"], route_class=Route)

_PAGE = 2000
_MOST_EVENTS = 100_000  # that are read for one answer
_MOST_LABELS = 200
_OTHER = "other"
_DURATIONS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 14_400, 86_400)
_WAITS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600)


@routes.get(
    "/metrics",
    operation_id="metrics",
    summary="Figures for Prometheus",
    dependencies=VIEWER,
    responses={
        200: {
            "description": "In the text format of Prometheus.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def metrics(here: There) -> Response:
    """Counters, histograms and gauges; names begin with ``abreast_``."""
    figures: Figures = here.kept.figures
    data = await in_thread(figures.read, here)
    return Response(data, media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


class Labels:
    """Names as labels: so many, and ``other`` for the rest."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def of(self, name: str) -> str:
        """The label of a name."""
        if name not in self._known:
            if len(self._known) >= _MOST_LABELS:
                return _OTHER
            self._known.add(name)
        return name


class Figures:
    """What is counted, and how far the events have been read."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._read = -1
        self._labels = Labels()
        self._schedules = Labels()
        self.registry = CollectorRegistry()
        self.busy = 0  # answers that the store could not be used
        self._counters()
        self._gauges()
        Gauge(
            "abreast_build_info", "The version.", ["version", "python"], registry=self.registry
        ).labels(service.version, platform.python_version()).set(1)

    def _counters(self) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"abreast_{name}", what, labels, registry=self.registry)

        self._runs = counter("runs", "Runs that have ended.", "task", "outcome")
        self._retries = counter("retries", "Attempts after the first.", "task")
        self._skipped = counter(
            "schedule_skipped", "Instants that made no run.", "schedule", "reason"
        )
        self._busy = counter("store_busy", "Requests the store could not serve.")
        self._duration = Histogram(
            "abreast_run_duration_seconds", "How long last attempts took.", ["task"],
            buckets=_DURATIONS, registry=self.registry,
        )  # fmt: skip
        self._wait = Histogram(
            "abreast_run_wait_seconds", "How long runs waited, by what they waited for.",
            ["cause"], buckets=_WAITS, registry=self.registry,
        )  # fmt: skip

    def _gauges(self) -> None:
        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"abreast_{name}", what, labels, registry=self.registry)

        self._running = gauge("runs_running", "Runs that run now.", "task")
        self._queued = gauge("runs_queued", "Runs that may start and have not.", "task")
        self._limit = gauge("concurrency_limit", "Units of a limit.", "task")
        self._lag = gauge("schedule_lag_seconds", "How late the latest instant is.")
        self._next = gauge("schedule_next_timestamp_seconds", "The next instant.", "schedule")
        self._success = gauge(
            "schedule_last_success_timestamp_seconds", "The last run that completed.", "schedule"
        )
        self._heartbeat = gauge(
            "worker_last_heartbeat_timestamp_seconds", "When a worker was seen alive.", "worker"
        )
        self._size = gauge("store_size_bytes", "Bytes the store's files take.")
        self._clients = gauge("event_clients", "Clients that follow events.")

    def begin(self) -> None:
        """Count from here."""
        with self._lock:
            if self._read < 0:
                self._read = self._service.app.event_bounds()[1]

    # -- reading ----------------------------------------------------------------------------

    def read(self, here: Here) -> bytes:
        """All figures as text."""
        self.begin()
        with self._lock:
            self._catch_up()
            self._look(here)
            return bytes(generate_latest(self.registry))

    def _catch_up(self) -> None:
        app = self._service.app
        oldest, _ = app.event_bounds()
        self._read = max(self._read, oldest - 1)
        for _ in range(_MOST_EVENTS // _PAGE):
            found = app.events(self._read, _PAGE)
            if not found:
                return
            ended = [event.id for event in found if event.kind == "run" and event.state in ENDED]
            for run in read_many(app, ended).values():
                self._count(run)
            self._count_instants([event.id for event in found if event.kind == "instant"])
            self._read = found[-1].seq

    def _count(self, run: StoredRun) -> None:
        record = run.known
        task = self._labels.of(record.task.name)
        outcome = str(record.state)
        if record.state == "failed" and record.reason is not None:
            outcome = str(record.reason) if record.reason != "error" else outcome
        self._runs.labels(task, outcome).inc()
        if record.attempt > 1:
            self._retries.labels(task).inc(record.attempt - 1)
        if record.started is None:
            return
        if record.ended is not None:
            self._duration.labels(task).observe(max(0.0, record.ended - record.started))
        before = max(0.0, record.ready - record.created)
        if before > 0:
            cause = "dependency" if record.due is None else "time"
            self._wait.labels(cause).observe(before)
        self._wait.labels("limit").observe(max(0.0, record.started - record.ready))

    def _count_instants(self, ids: Iterable[int]) -> None:
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return
        for instant in self._service.app.schedules.ledger(ids=wanted, limit=len(wanted)):
            if instant.outcome != "ran":
                schedule = self._schedules.of(instant.schedule)
                self._skipped.labels(schedule, str(instant.outcome)).inc(instant.count)

    def _look(self, here: Here) -> None:
        """Set what is as it is now."""
        app, now = self._service.app, time.time()
        for gauge in (self._running, self._queued, self._limit, self._next, self._success,
                      self._heartbeat):  # fmt: skip
            gauge.clear()
        for name, running, queued in _live(app):
            label = self._labels.of(name)
            self._running.labels(label).inc(running)
            self._queued.labels(label).inc(queued)
        for row in app.limits():
            if row.n is not None:
                self._limit.labels(self._labels.of(row.key)).set(row.n)
        lag = 0.0
        for view in app.schedules.list():
            schedule = self._schedules.of(view.name)
            if view.next is not None and view.paused is None:
                self._next.labels(schedule).set(view.next)
            if view.due is not None and view.paused is None:
                lag = max(lag, now - view.due)
            if view.last_success is not None:
                self._success.labels(schedule).set(view.last_success)
        self._lag.set(lag)
        for worker in app.workers():  # which are there as long as they hold their locks
            self._heartbeat.labels(worker.name).set(now)
        self._size.set(app.store_bytes())
        self._clients.set(here.hub.clients)
        busy, self.busy = self.busy, 0
        self._busy.inc(busy)

    def note(self, error: StoreError) -> None:
        """The store could not serve a request."""
        self.busy += 1


def _live(app: App) -> Iterator[tuple[str, int, int]]:
    """Every task with the runs that run and that wait."""
    found: dict[str, Any] = app.live()
    for name in app.tasks:
        found.setdefault(name, (0, 0))
    for name, (running, queued) in found.items():
        yield name, running, queued
