"""Run tasks side by side, and keep abreast of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import errors as errors
    from .domain.adaptive import Adaptive as Adaptive
    from .domain.command import Command as Command
    from .domain.command import CommandResult as CommandResult
    from .domain.limits import Limit as Limit
    from .domain.model import Progress as Progress
    from .domain.policy import Retry as Retry
    from .domain.states import Reason as Reason
    from .domain.states import State as State
    from .domain.unique import Unique as Unique
    from .errors import AbreastError as AbreastError
    from .errors import Backoff as Backoff
    from .errors import Busy as Busy
    from .errors import Cancelled as Cancelled
    from .errors import TimedOut as TimedOut
    from .interfaces.app import App as App
    from .interfaces.report import Report as Report
    from .interfaces.run import Run as Run
    from .interfaces.run import current_run as current_run
    from .interfaces.run import progress as progress
    from .interfaces.runner import Runner as Runner
    from .interfaces.steps import step as step
    from .interfaces.tasks import task as task

__version__ = "0.1.0"

# Public names and where they live; a name is imported when it is first used.
_HOMES = {
    "AbreastError": "errors",
    "Adaptive": "domain.adaptive",
    "App": "interfaces.app",
    "Backoff": "errors",
    "Busy": "errors",
    "Cancelled": "errors",
    "Command": "domain.command",
    "CommandResult": "domain.command",
    "Limit": "domain.limits",
    "Progress": "domain.model",
    "Reason": "domain.states",
    "Report": "interfaces.report",
    "Retry": "domain.policy",
    "Run": "interfaces.run",
    "Runner": "interfaces.runner",
    "State": "domain.states",
    "TimedOut": "errors",
    "Unique": "domain.unique",
    "current_run": "interfaces.run",
    "errors": "errors",
    "progress": "interfaces.run",
    "step": "interfaces.steps",
    "task": "interfaces.tasks",
}

__all__ = [
    "AbreastError",
    "Adaptive",
    "App",
    "Backoff",
    "Busy",
    "Cancelled",
    "Command",
    "CommandResult",
    "Limit",
    "Progress",
    "Reason",
    "Report",
    "Retry",
    "Run",
    "Runner",
    "State",
    "TimedOut",
    "Unique",
    "current_run",
    "errors",
    "progress",
    "step",
    "task",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'abreast' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f".{home}", __name__)
    value = module if name == home else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
