"""What stands for people, programs and browsers that use a service, and their roles."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..errors import AbreastError, UsageError

ROLES: Final = ("viewer", "operator", "admin")  # each may do what those before it may
LOCAL: Final = "local"  # who has used a one-time link while there are no users
ANONYMOUS: Final = "anonymous"  # who has not logged in and may look all the same


class TooManyFailures(AbreastError):
    """Log-ins under this name from this address have failed too often; ``seconds`` says how long
    to wait before the next is looked at."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"too many log-ins have failed; the next is looked at in {max(1, round(seconds))} s"
        )
        self.seconds = seconds


def rank(role: str) -> int:
    """The place of a role in :data:`ROLES`; -1 for one that this version does not know."""
    return ROLES.index(role) if role in ROLES else -1


def check_role(role: str) -> str:
    """Return a role as it is; raises ``UsageError`` when there is none of that name."""
    if role not in ROLES:
        raise UsageError(f"there is no role {role!r}; roles are {', '.join(ROLES)}")
    return role


class User(NamedTuple):
    """Somebody, and what they may do. ``created``: seconds since 1970 UTC."""

    name: str
    role: str
    created: float = 0.0

    def may(self, role: str) -> bool:
        """Whether they may do what needs a role."""
        return rank(self.role) >= rank(check_role(role))


class Token(NamedTuple):
    """What lets a program in as a user, with at most ``role``. Times: seconds since 1970 UTC.

    ``expires`` None: never. ``used`` None: never; it is brought up to date once a minute.
    """

    id: int
    name: str
    user: str
    role: str
    created: float
    expires: float | None
    used: float | None


class Session(NamedTuple):
    """A browser that has logged in. ``csrf`` is what its unsafe requests have to bring along."""

    user: str
    role: str
    csrf: str
    expires: float = 0.0

    @property
    def person(self) -> User:
        """Who it is."""
        return User(self.user, self.role)
