"""What is known of users, tokens and sessions: rows of the store, believed for a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import StoreError
from ..stores.sql_access import SqlAccess, UserRow

if TYPE_CHECKING:
    from .app import App

RECENT_S = 1.0  # for how long what the store said is believed
_MOST = 1000  # answers kept in memory

log = logging.getLogger("abreast")
T = TypeVar("T")


class AccessStore:
    """Reads and writes, and what was read a moment ago. For any thread."""

    def __init__(self, app: App, now: Callable[[], float] = time.time) -> None:
        self._app = app
        self._now = now
        self._lock = threading.Lock()
        self._writes = 0  # what was read before the last of them is not believed
        self._people: tuple[dict[str, UserRow], float] | None = None
        self._recent: dict[str, tuple[Any, float]] = {}  # key -> what it lets in, since when

    @property
    def verbs(self) -> SqlAccess:
        """The verbs of the store."""
        return SqlAccess(self._app.node.store)

    def write(self, what: Callable[[SqlAccess], T]) -> T:
        """Do something in a turn; nothing read before is believed afterwards."""
        node = self._app.node
        verbs = SqlAccess(node.store)
        try:
            return node.post(lambda _: what(verbs))
        finally:
            with self._lock:
                self._writes += 1
                self._people = None
                self._recent.clear()

    def attempt(self, what: Callable[[SqlAccess], Any]) -> None:
        """Write what is good to know; a store that is full lets people in all the same."""
        try:
            self.write(what)
        except StoreError as error:
            log.warning("the use of a log-in cannot be noted: %s", error)

    def rows(self, fresh: bool = False) -> dict[str, UserRow]:
        """The users by name, as they were a second ago at most, or are now."""
        found = None if fresh else self.known_rows()
        if found is None:
            writes, now = self._writes, self._now()
            found = {row.name: row for row in self.verbs.users()}
            with self._lock:
                if writes == self._writes:
                    self._people = found, now
        return found

    def owner(self, name: str) -> UserRow | None:
        """The user of this name; nobody is taken to be gone for having come a moment ago."""
        return self.rows().get(name) or self.rows(fresh=True).get(name)

    def known_rows(self) -> dict[str, UserRow] | None:
        """The users by name, if they are known without looking."""
        people = self._people
        return people[0] if people and 0 <= self._now() - people[1] < RECENT_S else None

    def keep(self, key: str, found: Any, writes: int, now: float) -> None:
        """Believe for a moment what was found when there had been ``writes`` writes."""
        with self._lock:
            if len(self._recent) >= _MOST:
                self._recent.clear()
            if writes == self._writes:
                self._recent[key] = found, now

    def kept(self, key: str) -> Any:
        """What was found a moment ago, or None."""
        found = self._recent.get(key)
        return found[0] if found and 0 <= self._now() - found[1] < RECENT_S else None
