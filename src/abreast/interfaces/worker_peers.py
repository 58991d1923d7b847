"""A worker among others: how it enters and leaves, and how it sees another one die."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

from ..domain.model import Change
from ..engine.engine import Engine
from ..engine.watchman import Watchman
from ..executors.marks import Marks, read_marks
from ..stores.alive import Alive, bury, has_kin, is_alive, watch
from ..stores.bells import Bell
from ..stores.sql_workers import Peer

_log = logging.getLogger("abreast")
_LOOK_S = 5.0  # the net: how often others are looked at although nothing was heard
_KIN_S = 5.0  # how long processes of a dead worker are waited for, which end with it
_KIN_PACE_S = 0.02


class Peers:
    """The other workers of a store, as one of them sees them."""

    def __init__(self, engine: Engine, store: Any, watchman: Watchman) -> None:
        self._engine = engine
        self._store = store
        self._watchman = watchman
        self._watched: dict[int, int] = {}  # worker number to the descriptor of its process
        self._dead: dict[int, float] = {}  # workers whose processes are still there, and since when
        self._left = False
        self._alive: Alive | None = None
        self.marks: Marks | None = None
        self.id = 0
        self._bell = store.bell = Bell(store.runtime, "w")

    def enter(self, name: str, host: str, concurrency: int, tasks: str | None) -> int:
        """Enter this worker; take over what dead ones left behind."""
        store = self._store

        def message(now: float) -> Sequence[Change]:
            self.id = store.workers_here.enter(name, host, os.getpid(), concurrency, tasks, now)
            self._alive = Alive(store.folder, self.id)
            return ()

        self._engine.post(message)
        self.marks = Marks(_marks_of(store.folder, self.id))
        self._watchman.hear(self._bell.fileno(), self._rung)
        self.look()
        self._look_again()
        return self.id

    @property
    def heirloom(self) -> int | None:
        """What the processes of this worker's runs hold, so that others see when all are gone."""
        return None if self._alive is None else self._alive.kin

    def _look_again(self) -> None:
        """The net under the bells, which can be lost with a folder or a full queue."""
        if not self._left:
            self._watchman.call_at(self._engine.now() + _LOOK_S, self._look_again)
            self._store.look_again()
            self._heed_wishes()
            self.look()

    def leave(self) -> None:
        """Leave in good order: nothing of ours is left to be taken over, or it is given back."""
        self._left = True
        marks = read_marks(_marks_of(self._store.folder, self.id))
        self._engine.post(lambda now: self._store.workers_here.leave(self.id, now, marks))
        self._bell.close()
        if self.marks is not None:
            self.marks.close()
        if self._alive is not None:
            self._alive.close()
        bury(self._store.folder, self.id)
        _remove(_marks_of(self._store.folder, self.id))

    def _rung(self) -> None:
        self._bell.drain()
        self._store.look_again()
        self._heed_wishes()
        self.look()

    def _heed_wishes(self) -> None:
        """Stop what others have asked to end, also when there is no free slot to look for work."""
        store = self._store
        running = store.rows.running
        asked = store.workers_here.asked() if running else ()
        news = any(id in running and running[id].asked is None for id in asked)
        if news or store.to_stop:
            self._engine.post(lambda now: store.open(False) or ())  # which looks for them

    def look(self) -> None:
        """Get to know new workers, and take over from those that are no more."""
        folder = self._store.folder
        known = set()
        for peer in self._store.workers_here.peers():
            known.add(peer.id)
            if not is_alive(folder, peer.id):
                self._died_of(peer)
            elif peer.id not in self._watched:
                descriptor = watch(peer.pid)
                if descriptor is not None:
                    self._watched[peer.id] = descriptor
                    self._watchman.hear(descriptor, lambda id=peer.id: self._died(id))  # type: ignore[misc]
        for gone in set(self._watched) - known:
            self._unwatch(gone)

    def _died_of(self, peer: Peer) -> None:
        """Take over from a dead worker, as soon as nothing executes its runs any more."""
        now = self._engine.now()
        since = self._dead.setdefault(peer.id, now)
        if has_kin(self._store.folder, peer.id) and now < since + _KIN_S:
            self._watchman.call_at(now + _KIN_PACE_S, self.look)
            return
        self._dead.pop(peer.id)
        self._take_over(peer.id, peer.pid)

    def _died(self, id: int) -> None:
        self._unwatch(id)
        self.look()

    def _unwatch(self, id: int) -> None:
        descriptor = self._watched.pop(id, None)
        if descriptor is not None:
            self._watchman.forget(descriptor)
            os.close(descriptor)

    def _take_over(self, id: int, pid: int) -> None:
        folder = self._store.folder
        _log.warning("worker %d (process %d) died; its runs go on elsewhere", id, pid)
        begun = read_marks(_marks_of(folder, id))
        self._engine.post(lambda now: self._store.workers_here.leave(id, now, begun))
        bury(folder, id)
        _remove(_marks_of(folder, id))


def _marks_of(folder: str, id: int) -> str:
    return os.path.join(folder, "workers", f"{id}.marks")


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # somebody else was faster
