"""What the machine has to offer: pools that tasks draw from, and how many runs it can take."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from ..domain.model import Run, Task
from ..domain.policy import amount

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.pool import Pool

_LOOK_S = 2.0
_BUSY, _CALM = 1.2, 0.7  # load per core beyond which there is one run less, below which one more
_TIGHT = 0.1  # share of free memory below which there is one run less
_PRESSED = 10.0  # per cent of time in which something waited for memory
_MOST_PER_CORE = 8


class Room:
    """Answers how many more runs of a task this machine can take now.

    A task's ``needs`` are drawn from pools: ``cpu`` (the cores), ``memory`` (bytes of the machine)
    and those given by name. For memory what is really free counts as well.
    """

    def __init__(
        self, running: Callable[[], Iterable[Run]], pools: Mapping[str, float | str]
    ) -> None:
        self.pools = {name: amount(size, f"pools[{name!r}]") for name, size in pools.items()}
        self._running = running
        self._refused = False
        self._stop = threading.Event()

    def refused(self) -> bool:
        """Whether some run did not fit since this was last asked."""
        refused, self._refused = self._refused, False
        return refused

    def of(self, task: Task) -> int:
        """How many more runs of a task with needs fit."""
        drawn: dict[str, float] = {}
        for run in self._running():
            for name, units in run.task.needs.items():
                drawn[name] = drawn.get(name, 0.0) + units
        fits = 1 << 30
        for name, units in task.needs.items():
            if units > 0:
                left = self._pool(name) - drawn.get(name, 0.0)
                if name == "memory":
                    left = min(left, _free_memory())
                fits = min(fits, int(left // units))
        self._refused = self._refused or fits < 1
        return max(0, fits)

    def _pool(self, name: str) -> float:
        if name not in self.pools:
            if name == "cpu":
                self.pools[name] = float(_cores())
            elif name == "memory":
                import psutil

                self.pools[name] = float(psutil.virtual_memory().total)
            else:
                return 0.0
        return self.pools[name]

    def follow(self, engine: Engine, pool: Pool) -> None:
        """Change the size of a pool of slots with the load of the machine, until the end."""
        threading.Thread(
            target=self._keep, args=(engine, pool), name="abreast-room", daemon=True
        ).start()

    def stop(self) -> None:
        """End :meth:`follow`."""
        self._stop.set()

    def _keep(self, engine: Engine, pool: Pool) -> None:
        while not self._stop.wait(_LOOK_S):
            step = advice(_load(), _free_share(), _memory_pressure())
            size = min(max(1, pool.size + step), _MOST_PER_CORE * _cores())
            if step and size != pool.size:
                engine.resize(pool, size)


def advice(load: float, free: float, pressure: float) -> int:
    """Whether there should be one run more (1), one less (-1) or as many as now (0) at a time.

    ``load`` is the load per core, ``free`` the share of memory that is free, ``pressure`` the per
    cent of time in which something waited for memory.
    """
    if load > _BUSY or free < _TIGHT or pressure > _PRESSED:
        return -1
    return 1 if load < _CALM else 0


def _cores() -> int:
    from .wiring import usable_cores

    return usable_cores()


def _load() -> float:
    return os.getloadavg()[0] / _cores()


def _free_memory() -> float:
    import psutil

    return float(psutil.virtual_memory().available)


def _free_share() -> float:
    import psutil

    memory = psutil.virtual_memory()
    return float(memory.available / memory.total)


def _memory_pressure() -> float:
    """Per cent of the last ten seconds in which something waited for memory, where Linux tells."""
    try:
        with open("/proc/pressure/memory") as file:
            for word in file.readline().split():
                if word.startswith("avg10="):
                    return float(word[6:])
    except (OSError, ValueError):
        pass
    return 0.0
