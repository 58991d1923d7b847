"""Programs written for Concurra, unchanged: ``import abreast.compat.concurra as concurra``.

The names, parameters, statuses, texts, results and log lines are those of Concurra 1.1.12; the
work is done by :class:`abreast.Runner`. The page "Coming from Concurra" lists what differs.
"""

from . import core as core
from .core import TaskRunner
from .tasks import CommandExecutionError

__version__ = "1.1.12"  # the release whose behaviour this is

__all__ = ["CommandExecutionError", "TaskRunner", "__version__"]
