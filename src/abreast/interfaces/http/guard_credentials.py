"""Checks of credentials for a server that must not stand still meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from ..access_kinds import TooManyFailures
from .problems import Problem

if TYPE_CHECKING:
    from ..access import Access, Session, User

_LONGEST_SECRET = 200  # characters of a token or a cookie; ours are shorter
_LONGEST_NAME = 64
_ONE_ADDRESS, _ALL = 8, 64  # passwords that may wait to be looked at
T = TypeVar("T")


class Doorman:
    """Asks :class:`abreast.interfaces.access.Access`, in threads where it may take a while.

    Passwords are looked at one after the other, because each costs memory and a core, and the
    same password sent by many requests at once is looked at once.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._under_way: dict[bytes, tuple[asyncio.Task[User | None], str]] = {}

    async def token(self, text: str) -> User | None:
        """Whom a token lets in."""
        if len(text) > _LONGEST_SECRET:
            return None
        known = self._access.known_token(text)
        return known or await self._ask(lambda: self._access.check_token(text))

    async def session(self, cookie: str) -> Session | None:
        """The session of a cookie."""
        if len(cookie) > _LONGEST_SECRET:
            return None
        known = self._access.known_session(cookie)
        return known or await self._ask(lambda: self._access.check_session(cookie))

    async def _ask(self, what: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads("access", 2), what)

    async def password(self, name: str, password: str, address: str) -> User | None:
        """The user whose name and password these are.

        Raises
        ------
        Problem
            429 when too many have failed, or wait to be looked at.
        """
        if len(name) > _LONGEST_NAME:
            return None
        known = self._access.known_login(name, password)
        if known is not None:
            return known
        mark = self._access.mark(name, password, address)
        found = self._under_way.get(mark)
        if found is None:
            waiting = [where for _, where in self._under_way.values()]
            if len(waiting) >= _ALL or waiting.count(address) >= _ONE_ADDRESS:
                raise Problem("too-many", "too many log-ins wait to be looked at; try again",
                    headers={"Retry-After": "1"},
                )  # fmt: skip
            task = asyncio.get_running_loop().create_task(self._login(name, password, address))
            task.add_done_callback(lambda task: self._over(mark, task))
            found = self._under_way[mark] = task, address
        try:
            return await asyncio.shield(found[0])  # others may wait for it too
        except TooManyFailures as error:
            seconds = max(1, round(error.seconds + 0.5))
            raise Problem("too-many", str(error), headers={"Retry-After": str(seconds)}) from None

    async def _login(self, name: str, password: str, address: str) -> User | None:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads("password", 1), self._access.login, name, password, address
        )

    def _over(self, mark: bytes, task: asyncio.Task[User | None]) -> None:
        self._under_way.pop(mark, None)
        if not task.cancelled():
            task.exception()  # it is told to those who wait, who may all have gone away

    def close(self) -> None:
        """End the threads; there are new ones when they are needed again."""
        while self._pools:
            self._pools.popitem()[1].shutdown(wait=False)

    def _threads(self, name: str, most: int) -> ThreadPoolExecutor:
        found = self._pools.get(name)
        if found is None:
            found = self._pools[name] = ThreadPoolExecutor(most, f"abreast-{name}")
        return found
