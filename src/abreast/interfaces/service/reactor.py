"""What follows from the ends of runs: tasks that come after others, and people who want to know.

Ends are read from the store's events, and what follows is submitted in the transaction that notes
how far they have been read. So each end has its consequences once, whichever process recorded it
and however often services stop and start.
"""

from __future__ import annotations

import logging
import select
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...domain import followers
from ...domain.followers import Follower
from ...domain.model import Change, Extra
from ...domain.model import Run as Record
from ...domain.states import COMPLETED
from ...errors import AbreastError, StoreError
from ...stores.bells import Bell

if TYPE_CHECKING:
    from ..app import App

_log = logging.getLogger("abreast")
_PAGE = 200  # ends looked at in a turn
_PACE_S = 0.05  # the shortest time between two turns
_NET_S = 5.0  # the longest time until an end is seen whose bell was not heard

Teller = Callable[[Record, bool | None], list[Record]]


class Reactor:
    """Acts on ends, in a thread of its own.

    Parameters
    ----------
    tell : callable
        Given a run that has ended and whether the run of its task before it completed (None: there
        was none), makes the runs that tell people.
    watched : callable
        Whether anybody wants to be told of the ends of a task's runs.
    """

    def __init__(self, app: App, tell: Teller, watched: Callable[[str], bool]) -> None:
        self._app = app
        self._tell = tell
        self._watched = watched
        self._name = f"reactor/{app.name}"
        self._followers: dict[str, list[Follower]] = {}  # by what they come after
        self._stop = threading.Event()
        self._bell: Bell | None = None
        self._thread: threading.Thread | None = None

    def follow(self, found: Sequence[Follower]) -> None:
        """Start these tasks after others, from now on."""
        by: dict[str, list[Follower]] = {}
        for item in found:
            for upstream in item.after:
                by.setdefault(upstream, []).append(item)
        self._followers = by

    def start(self) -> None:
        """Begin to act on what ends from now on, or has ended since somebody last did."""
        store = self._app.file_store()
        self._app.node.post(lambda now: store.events.reader(self._name))
        self._bell = Bell(store.runtime, "c")
        self._thread = threading.Thread(target=self._keep, name="abreast-reactor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._bell is not None:
            self._bell.close()

    def react(self) -> bool:
        """Act on all that has ended, now; return whether anything had."""
        found = False
        while self._app.node.act(self._turn):
            found = True
        return found

    def _keep(self) -> None:
        assert self._bell is not None
        while not self._stop.is_set():
            try:
                more = self._app.node.act(self._turn)
            except StoreError as error:
                _log.warning("what follows from ended runs waits: %s", error)
                more = False
                self._stop.wait(_NET_S)
            except Exception:  # a mistake in abreast must not silence all that comes after it
                _log.exception("what follows from ended runs could not be done")
                self._stop.wait(_NET_S)
                more = False
            self._stop.wait(_PACE_S)
            if not more:
                self._listen()

    def _listen(self) -> None:
        """Wait until the bell rings."""
        assert self._bell is not None
        left = _NET_S
        while left > 0 and not self._stop.is_set():
            ready, _, _ = select.select([self._bell.fileno()], [], [], 0.5)
            if ready:
                self._bell.drain()
                return
            left -= 0.5

    # -- in a turn --------------------------------------------------------------------------

    def _turn(self, now: float, changes: list[Change]) -> bool:
        store = self._app.file_store()
        store.open(False)
        store.flush()
        seq, kept = store.events.reader(self._name)
        ids, newest, more = store.events.ends(seq, _PAGE)
        if newest == seq:
            return False
        kept = kept or {}
        before = dict(kept)
        if ids and (self._followers or self._watched("")):
            for run in store.rows.get(ids):
                self._react(run, kept, now, changes)
        if ids or kept != before or newest - seq > _PAGE:
            store.events.read_up_to(self._name, newest, kept or None)
        return bool(ids) or more

    def _react(
        self, run: Record, kept: dict[str, dict[str, int]], now: float, changes: list[Change]
    ) -> None:
        name = run.task.name
        made: list[Record] = []
        if run.state is COMPLETED:
            for follower in self._followers.get(name, ()):
                ready, left = followers.completed(follower, name, run.id,
                                                  kept.get(follower.task, {}))  # fmt: skip
                kept.pop(follower.task, None)
                if left:
                    kept[follower.task] = left
                if ready is not None:
                    made += self._follow_up(follower, ready)
        if self._watched(name):
            made += self._tell(run, self._completed_before(run))
        store = self._app.file_store()
        for item in made:
            try:
                changes += store.take_in_all([item], now, alone=True)
            except AbreastError as error:
                _log.warning("task %s was not started after run %d: %s",
                             item.task.name, run.id, error)  # fmt: skip

    def _follow_up(self, follower: Follower, ready: dict[str, int]) -> list[Record]:
        """The run of a task whose time has come. A parameter named like a task it comes after gets
        that task's result."""
        app = self._app
        try:
            task = app.find_task(follower.task)
            names = {parameter.name for parameter in task.parameters}
            results = {upstream: app.run(id) for upstream, id in ready.items() if upstream in names}
            run = app.record(app.node, task, (), results)
        except AbreastError as error:
            _log.warning("task %s cannot start after %s: %s",
                         follower.task, ", ".join(ready), error)  # fmt: skip
            return []
        run.extra = run.extra or Extra()
        run.extra.by = f"after {', '.join(ready)}"
        return [run]

    def _completed_before(self, run: Record) -> bool | None:
        store: Any = self._app.file_store()
        row = store.db.execute(
            "SELECT state FROM runs WHERE task=(SELECT id FROM tasks WHERE name=?) AND id<? "
            "AND state IN (4, 5) ORDER BY id DESC LIMIT 1",
            (run.task.name, run.id),
        ).fetchone()
        return None if row is None else row[0] == 4


def followers_of(app: App) -> tuple[list[Follower], dict[str, str]]:
    """What the tasks of an app say about tasks they come after, and by task what is wrong."""
    found, wrong = [], {}
    for task in list(app.tasks.values()):
        after = task.declared.get("after")
        if not after:
            continue
        names = [after] if isinstance(after, str) else list(after)
        unknown = [name for name in names if not isinstance(name, str) or name not in app.tasks]
        if unknown:
            wrong[task.name] = f"it comes after {unknown[0]!r}, which is no task here"
        else:
            found.append(Follower(task.name, tuple(names), bool(task.declared.get("after_any"))))
    circle = followers.circle(found)
    if circle is not None:
        text = f"these tasks would start one another for ever: {' -> '.join(circle)}"
        wrong |= dict.fromkeys(circle, text)
        found = [item for item in found if item.task not in circle]
    return found, wrong
