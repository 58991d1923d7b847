"""Users with their passwords and roles, and log-ins."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import UsageError
from .access_backoff import Backoff
from .access_kinds import ANONYMOUS, LOCAL, User, check_role
from .access_passwords import Passwords, check_password
from .access_store import AccessStore, log

if TYPE_CHECKING:
    from ..stores.sql_access import SqlAccess
    from .app import App

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LONGEST_LOOKED_AT = 10_000  # characters of a password that somebody sends


class Users(AccessStore):
    """The part of :class:`abreast.interfaces.access.Access` that is about users."""

    def __init__(
        self, app: App, now: Callable[[], float] = time.time, passwords: Passwords | None = None
    ) -> None:
        super().__init__(app, now)
        self._passwords = passwords or Passwords(now)
        self._backoff = Backoff(now)

    # -- users ------------------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        """Whether there are no users yet, so that a one-time link is the way in."""
        return not self.verbs.users()

    def users(self) -> list[User]:
        """All users by name, as the store has them now."""
        return [User(row.name, row.role, row.created) for row in self.verbs.users()]

    def user(self, name: str) -> User:
        """The user of this name; raises ``UsageError``, with the one that may be meant."""
        found = self.users()
        for user in found:
            if user.name == name:
                return user
        import difflib

        near = difflib.get_close_matches(name, [user.name for user in found], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "" if found else "; there are no users"
        raise UsageError(f"there is no user {name!r}{hint}")

    def add_user(self, name: str, password: str, role: str) -> User:
        """Add a user.

        Raises
        ------
        UsageError
            When the name is taken or no name, the password too weak, or the role unknown.
        """
        self.check_new(name)
        check_password(name, password)
        check_role(role)
        now, kept = self._now(), self._passwords.hash(password)

        def add(verbs: SqlAccess) -> bool:
            verbs.remove_sessions_of(LOCAL)  # from now on there is a user to log in as
            return verbs.add_user(name, role, kept, now)

        if not self.write(add):
            raise UsageError(f"there is a user {name!r} already")
        return User(name, role, now)

    def check_new(self, name: str) -> None:
        """Raise ``UsageError`` when nobody can be called so: it is no name, or taken."""
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name for a user: up to 64 letters, digits and . _ @ - are"
            )
        if name.casefold() in (LOCAL, ANONYMOUS):
            raise UsageError(f"{name!r} stands for somebody who has no password; take another name")
        for user in self.users():
            if user.name.casefold() == name.casefold():
                raise UsageError(f"there is a user {user.name!r} already")

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password, and log them out everywhere. Tokens stay.

        Raises
        ------
        UsageError
            When there is no such user or the password is too weak.
        """
        check_password(name, password)
        self.user(name)
        kept = self._passwords.hash(password)

        def change(verbs: SqlAccess) -> None:
            verbs.set_password(name, kept)
            verbs.remove_sessions_of(name)

        self.write(change)

    def set_role(self, name: str, role: str) -> None:
        """Give a user another role. It counts for their tokens and sessions too.

        Raises
        ------
        UsageError
            When there is no such user or role, or nobody would be admin any more.
        """
        check_role(role)
        self.user(name)
        if role != "admin":
            self._check_admin_stays(name)
        self.write(lambda verbs: verbs.set_role(name, role))

    def remove_user(self, name: str) -> None:
        """Remove a user with their tokens and sessions.

        Raises
        ------
        UsageError
            When there is no such user, or others would be left without an admin.
        """
        self.user(name)
        if len(self.users()) > 1:
            self._check_admin_stays(name)
        self.write(lambda verbs: verbs.remove_user(name))

    def _check_admin_stays(self, name: str) -> None:
        admins = {user.name for user in self.users() if user.role == "admin"}
        if admins == {name}:
            raise UsageError(f"{name!r} is the only admin; make somebody else admin first")

    # -- passwords --------------------------------------------------------------------------

    def verify(self, name: str, password: str) -> User | None:
        """The user whose name and password these are, or None. Takes its time in any case."""
        row = self.rows(fresh=True).get(name)
        kept = None if row is None else row.password
        if not self._passwords.is_right(kept, password[:10_000]) or row is None or kept is None:
            return None
        if self._passwords.is_outdated(kept):
            was, kept = kept, self._passwords.hash(password)
            again = kept
            self.attempt(lambda verbs: verbs.set_password(name, again, was))
        self._passwords.remember(name, password, kept)
        return User(row.name, row.role, row.created)

    def login(self, name: str, password: str, address: str) -> User | None:
        """As :meth:`verify`, but counts failures, and knows what was right a moment ago.

        Parameters
        ----------
        address : str
            From where somebody tries.

        Raises
        ------
        TooManyFailures
            When there were too many under this name from there; the password is not looked at.
        """
        self.rows()
        found = self.known_login(name, password)
        if found is not None:
            return found
        self._backoff.check(name, address)
        found = self.verify(name, password)
        if found is None:
            self._backoff.failed(name, address)
            # What is no user's name may be a password in the wrong field: it is not written down.
            shown = repr(name) if name in self.rows() else "a name that no user has"
            log.warning("a log-in with %s from %s failed", shown, address)
        else:
            self._backoff.succeeded(name, address)
        return found

    def known_login(self, name: str, password: str) -> User | None:
        """The user, if it is known without looking that name and password are right."""
        row = (self.known_rows() or {}).get(name)
        if row is None or not self._passwords.remembers(name, password, row.password or ""):
            return None
        return User(row.name, row.role, row.created)

    def mark(self, *texts: str) -> bytes:
        """What stands for secrets in memory, in this process only."""
        return self._passwords.mark(*texts)
