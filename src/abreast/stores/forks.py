"""What holds locks or sockets for one process must not live on in forks of it.

A fork shares the open files of its parent: it would keep a file lock, or a socket that others
ring, alive beyond the parent's death. Whatever is registered here is told to let go in every
fork Python makes. Programs started by ``exec`` never inherit such files.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forgetful(Protocol):
    """Something that has open files of its own."""

    def forget(self) -> None:
        """In a fork: close our copies, without unlocking, unlinking or raising anything."""


_known: weakref.WeakSet[Forgetful] = weakref.WeakSet()


def forget_in_forks(thing: Forgetful) -> None:
    """Have ``thing.forget()`` called in every later fork of this process, while it exists."""
    _known.add(thing)


def _forget_all() -> None:
    for thing in list(_known):
        thing.forget()
    _known.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
