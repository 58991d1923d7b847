"""Who may use a service: rows of users, tokens and sessions. It knows no rules and no secrets.

Passwords come as hashes made by somebody else, tokens and cookies as digests. All times are
seconds since 1970 in UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError

if TYPE_CHECKING:
    from .database import Database


class UserRow(NamedTuple):
    """A user; ``password`` is a hash, None: cannot log in with one."""

    name: str
    role: str
    password: str | None
    created: float


class TokenRow(NamedTuple):
    """A token; ``digest`` stands for its text, which is not kept."""

    id: int
    name: str
    user: str
    role: str
    digest: str
    created: float
    expires: float | None
    used: float | None


class SessionRow(NamedTuple):
    """A browser that has logged in; ``digest`` stands for its cookie, which is not kept."""

    digest: str
    user: str
    role: str
    created: float
    expires: float
    csrf: str


class SqlAccess:
    """Verbs over the tables of one store.

    Those that read may be called from any thread at any time; those that write only in a turn of
    the engine, as :meth:`abreast.interfaces.app_node.Node.post` makes one.

    Parameters
    ----------
    store : SqliteStore
        An open store.

    Raises
    ------
    UsageError
        When the store is no file.
    """

    def __init__(self, store: Any) -> None:
        if getattr(store, "db", None) is None:
            raise UsageError(
                "users, tokens and sessions are kept in a store in a file; give the app one, "
                "for example App('sqlite:///jobs.db')"
            )
        self._store = store
        self._db: Database = store.db

    def _write(self, sql: str, *values: Any, durable: bool = True) -> int:
        """Carry out a statement in the turn; returns how many rows it changed."""
        self._store.open(durable)
        return self._db.execute(sql, values).rowcount

    # -- users ------------------------------------------------------------------------------

    def users(self) -> list[UserRow]:
        """All users by name."""
        rows = self._db.read("SELECT name, role, password, created FROM users ORDER BY name")
        return [UserRow(*row) for row in rows]

    def add_user(self, name: str, role: str, password: str | None, now: float) -> bool:
        """Write: a new user. False: there is one of this name."""
        return self._write(
            "INSERT INTO users (name, role, password, created) VALUES (?,?,?,?) "
            "ON CONFLICT (name) DO NOTHING",
            name, role, password, now,
        ) > 0  # fmt: skip

    def set_password(self, name: str, password: str, was: str | None = None) -> bool:
        """Write: another hash; with ``was`` only instead of that one. False: nothing changed."""
        if was is None:
            return self._write("UPDATE users SET password=? WHERE name=?", password, name) > 0
        return (
            self._write(
                "UPDATE users SET password=? WHERE name=? AND password=?", password, name, was
            )
            > 0
        )

    def set_role(self, name: str, role: str) -> bool:
        """Write: another role. False: there is no such user."""
        return self._write("UPDATE users SET role=? WHERE name=?", role, name) > 0

    def remove_user(self, name: str) -> bool:
        """Write: no such user any more, nor tokens and sessions. False: there was none."""
        found = self._write("DELETE FROM users WHERE name=?", name) > 0
        self._write("DELETE FROM tokens WHERE user=?", name)
        self._write("DELETE FROM sessions WHERE user=?", name)
        return found

    # -- tokens -----------------------------------------------------------------------------

    def tokens(self) -> list[TokenRow]:
        """All tokens, oldest first, those that have expired too."""
        rows = self._db.read(f"SELECT {_TOKEN} FROM tokens ORDER BY id")
        return [TokenRow(*row) for row in rows]

    def token(self, digest: str) -> TokenRow | None:
        """The token with this digest."""
        rows = self._db.read(f"SELECT {_TOKEN} FROM tokens WHERE digest=?", (digest,))
        return TokenRow(*rows[0]) if rows else None

    def add_token(
        self, name: str, user: str, role: str, digest: str, now: float, expires: float | None
    ) -> int:
        """Write: a new token; returns its id, 0 when there is no such user."""
        found = self._write(
            "INSERT INTO tokens (name, user, role, digest, created, expires) "
            "SELECT ?, name, ?, ?, ?, ? FROM users WHERE name=?",
            name, role, digest, now, expires, user,
        )  # fmt: skip
        if not found:
            return 0
        row = self._db.execute("SELECT id FROM tokens WHERE digest=?", (digest,)).fetchone()
        return int(row[0])

    def token_used(self, id: int, now: float) -> None:
        """Write: a token was used just now. Not worth waiting for the disk."""
        self._write("UPDATE tokens SET used=? WHERE id=?", now, id, durable=False)

    def remove_token(self, id: int) -> bool:
        """Write: no such token any more. False: there was none."""
        return self._write("DELETE FROM tokens WHERE id=?", id) > 0

    # -- sessions ---------------------------------------------------------------------------

    def session(self, digest: str) -> SessionRow | None:
        """The session with this digest."""
        rows = self._db.read(
            "SELECT digest, user, role, created, expires, csrf FROM sessions WHERE digest=?",
            (digest,),
        )
        return SessionRow(*rows[0]) if rows else None

    def add_session(self, row: SessionRow) -> None:
        """Write: a new session. Those that have expired by then go."""
        self._write("DELETE FROM sessions WHERE expires<=?", row.created)
        self._write(
            "INSERT INTO sessions (digest, user, role, created, expires, csrf) "
            "VALUES (?,?,?,?,?,?)", *row,
        )  # fmt: skip

    def extend_session(self, digest: str, expires: float) -> None:
        """Write: a session lasts longer. Not worth waiting for the disk."""
        self._write("UPDATE sessions SET expires=? WHERE digest=?", expires, digest, durable=False)

    def remove_session(self, digest: str) -> None:
        """Write: no such session any more."""
        self._write("DELETE FROM sessions WHERE digest=?", digest)

    def remove_sessions_of(self, user: str) -> None:
        """Write: log a user out everywhere."""
        self._write("DELETE FROM sessions WHERE user=?", user)


_TOKEN = "id, name, user, role, digest, created, expires, used"
