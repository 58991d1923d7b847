"""Who is told of what a service sees: from ends, instants and full limits to runs that deliver.

What is to be told is decided in :mod:`abreast.domain.notices`; here it becomes runs of the task
``abreast:notify``, submitted in the transaction of what they tell of.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ...domain import flows, notices
from ...domain.model import NOTHING, Extra
from ...domain.model import Run as Record
from ...domain.notices import NOTIFY, Late, Missed, Notice, RunEnd, Starved
from ...domain.schedule import jitter_of
from ...domain.states import COMPLETED, FAILED, PENDING
from ...domain.unique import Unique
from ...errors import AbreastError
from ..notices.task import Notices, call_of, make_notice_task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..app import App
    from ..settings import Settings

_log = logging.getLogger("abreast")
_ONCE_S = 7 * 86_400.0  # for how long the same is not told again
_LOOKED_AT = 200  # instants and limits that are looked at in one go
_DAY_S = 86_400.0


class Telling(Notices):
    """Makes the runs that deliver notices."""

    def __init__(self, app: App, settings: Settings) -> None:
        super().__init__(app, settings)
        self._app = app
        self._task = make_notice_task(app, self)

    def complain(self) -> None:
        """Say in the log which tasks name rules that cannot be understood."""
        for name in self._names():
            self.rules(name)  # which says so

    def of_end(self, run: Record, completed_before: bool | None) -> list[Record]:
        """The runs that tell of an end. In a turn."""
        extra = run.extra or NOTHING
        error = None if run.error is None else f"{type(run.error).__name__}: {run.error}"
        end = RunEnd(
            run.id, run.task.name, run.label, run.state, run.reason, error, run.created,
            run.started, run.ended or 0.0, run.attempt, extra.by,
            None if flows.above(run) is None else 0,
        )  # fmt: skip
        before = None if completed_before is None else (COMPLETED if completed_before else FAILED)
        return self._runs(notices.of_end(end, self.rules(run.task.name), before))

    def of_instants(self, ledger: Iterable[Any]) -> list[Record]:
        """The runs that tell of missed instants among new rows of the ledger. In a turn."""
        missed = [
            Missed(row.schedule, row.task, row.at, row.until, row.times, row.reason)
            for row in ledger
            if row.outcome == "missed"
        ]
        return self._runs(notices.of_missed(missed, self.rules)) if missed else []

    def tell_of_waiting(self, now: float) -> None:
        """Look for runs of schedules that are late, and for those that limits hold back for long;
        tell of each once."""
        found = [*self._late(now), *self._starved(now)]
        for notice in found:
            task = self._task.with_options(
                by="notify", unique=Unique(f"notice {notice.once}", until=_ONCE_S, then="join")
            )
            try:
                task.submit(*call_of(notice))
            except AbreastError as error:
                _log.warning("nobody could be told of %s: %s", notice.label, error)

    def _late(self, now: float) -> list[Notice]:
        found = []
        rules = {name: self.rules(name) for name in self._names()}
        least = min((r.late_after for r in rules.values() if r.on_late), default=None)
        if least is None:
            return []
        spread = {view.name: view.jitter for view in self._app.schedules.list()}
        for instant in self._app.schedules.ledger(
            since=now - _DAY_S, until=now - least, outcomes=["ran"], limit=_LOOKED_AT
        ):
            if instant.run is None or instant.task not in rules:
                continue
            record = self._app.file_store().read([instant.run]).get(instant.run)
            if record is None:
                continue
            at = instant.at + jitter_of(
                instant.schedule, instant.at, spread.get(instant.schedule, 0.0)
            )
            late = Late(instant.schedule, instant.task, at, instant.run, record.started, now)
            found += notices.of_late(late, rules[instant.task])
        return found

    def _starved(self, now: float) -> list[Notice]:
        found: list[Notice] = []
        app = self._app
        rules = {name: self.rules(name) for name in self._names()}
        if not any(said.on_starved for said in rules.values()):
            return found
        for row in app.limits()[:_LOOKED_AT]:
            first = app.waiters(row.key, 1) if row.waiting else []
            record = app.file_store().read(first).get(first[0]) if first else None
            if record is None or record.state is not PENDING or record.task.name not in rules:
                continue
            starved = Starved(row.key, record.ready, now, record.id, record.task.name,
                              row.waiting, tuple(row.holders))  # fmt: skip
            found += notices.of_starved(starved, rules[record.task.name])
        return found

    def _runs(self, found: list[Notice]) -> list[Record]:
        app = self._app
        made = []
        for notice in found:
            run = app.record(app.node, self._task, call_of(notice), {})
            run.extra = run.extra or Extra()
            run.extra.by = "notify"
            made.append(run)
        return made

    def _names(self) -> list[str]:
        return [name for name in self._app.tasks if name != NOTIFY]
