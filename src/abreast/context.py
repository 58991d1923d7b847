"""Which attempt the code that asks is part of: set by executors, read by ``current_run``."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .domain.model import Attempt

attempt_here: ContextVar[Attempt | None] = ContextVar("abreast_attempt", default=None)
