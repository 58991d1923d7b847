"""Slots: how many attempts may execute at once."""

from __future__ import annotations


class Pool:
    """Slots that one or several executors share."""

    __slots__ = ("executors", "free", "size")

    def __init__(self, size: int) -> None:
        self.executors: tuple[str, ...] = ()
        self.size = size
        self.free = size  # negative while a parent that waited for children has come back
