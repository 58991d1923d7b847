"""Programs written for Pynenc: ``from abreast.compat.pynenc import Pynenc``.

The names and meanings are those of Pynenc 0.4.0; the work is done by :class:`abreast.App`. The page
"Coming from Pynenc" lists what differs.
"""

from .app import Pynenc
from .conf import Config
from .control import ConcurrencyControlType
from .exceptions import (
    InvalidTaskOptionsError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationDroppedError,
    PynencError,
    RetryError,
    RunnerError,
)
from .invocation import Invocation, InvocationGroup, InvocationStatus
from .runner import PersistentProcessRunner, ProcessRunner, Runner, ThreadRunner
from .task import Arguments, DirectTask, Task

__all__ = [
    "Arguments",
    "ConcurrencyControlType",
    "Config",
    "DirectTask",
    "InvalidTaskOptionsError",
    "Invocation",
    "InvocationConcurrencyWithDifferentArgumentsError",
    "InvocationDroppedError",
    "InvocationGroup",
    "InvocationStatus",
    "PersistentProcessRunner",
    "ProcessRunner",
    "Pynenc",
    "PynencError",
    "RetryError",
    "Runner",
    "RunnerError",
    "Task",
    "ThreadRunner",
]
