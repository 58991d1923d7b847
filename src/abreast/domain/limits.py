"""Limits: how many units of a key may be held at once, and what happens beyond that.

A *claim* is what one run asks of one key. Claims that are equal share a *lane*: runs with the
same claims wait in one line, and the line as a whole is blocked or awake. A key's *usage* counts
the units held and the runs in line; stores keep it, the functions here judge it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError, WrongType
from .adaptive import Adaptive as Adaptive
from .adaptive import units
from .keys import Template, text_of
from .policy import Duration, seconds
from .states import ENDED

if TYPE_CHECKING:
    from .model import Run, Task


class Then(IntEnum):
    """What to do when a limit and the places behind it are full; a larger one is stricter."""

    WAIT = 0
    REPLACE = 1
    CANCEL = 2
    SKIP = 3
    FAIL = 4


_GRAINS = 2**20  # into which a unit of a pool is divided
_THEN = {then.name.lower(): then for then in Then}
_PLACES = {Then.WAIT: None, Then.REPLACE: 1, Then.CANCEL: 1, Then.SKIP: 0, Then.FAIL: 0}


class Limit:
    """At most ``n`` units at once for every value of ``key``.

    Of several limits a run takes either all units or none.

    Parameters
    ----------
    n : int, callable or Adaptive
        Units there are. A callable gets the arguments of the run and returns an int.
    key : str
        ``""`` counts this task. ``"{tenant}"`` counts per value of the argument ``tenant``,
        ``ARGS`` (``"{*}"``) per value of all arguments.
        ``"/openai"`` is a pool shared by all tasks that name it, ``"/openai/{tenant}"`` shared
        and partitioned.
    per : duration, optional
        The unit returns this long after the start instead of at the end, which makes the limit
        a rate: ``Limit(60, per="1m")`` starts at most 60 in every minute.
    cost : int or callable
        Units one run takes. A callable gets the arguments of the run.
    waiting : int, optional
        Places in the line behind the limit. Unbounded under ``then="wait"``; 1 under
        ``"replace"`` and ``"cancel"``, 0 under ``"skip"`` and ``"fail"`` unless given.
    then : str
        What happens to a newcomer when those places are taken: ``"wait"`` all the same,
        ``"skip"`` (recorded as skipped), ``"replace"`` (the newest takes the waiting place),
        ``"cancel"`` (a running one is cancelled and the newcomer follows), ``"fail"`` (the
        caller gets :class:`abreast.errors.Busy`).
    """

    __slots__ = ("cost", "key", "n", "per", "then", "waiting")

    def __init__(
        self,
        n: int | Callable[..., int] | Adaptive,
        key: str = "",
        *,
        per: Duration | None = None,
        cost: int | Callable[..., int] = 1,
        waiting: int | None = None,
        then: str = "wait",
    ) -> None:
        if not isinstance(n, Adaptive):
            _whole("Limit: n", n, least=1)
        _whole("Limit: cost", cost, least=0)
        if not isinstance(key, str):
            raise WrongType(
                f"Limit: key must be a str such as '{{tenant}}' or '/pool', not {key!r}"
            )
        if waiting is not None:
            _whole("Limit: waiting", waiting, least=0, callables=False)
        if then not in _THEN:
            raise UsageError(
                f"Limit: then must be one of {', '.join(map(repr, _THEN))}, not {then!r}"
            )
        fewest = n.lo if isinstance(n, Adaptive) else n
        if isinstance(fewest, int) and isinstance(cost, int) and cost > fewest:
            raise UsageError(f"Limit: one run costs {cost} units but there are only {fewest}")
        self.n: float | Callable[..., int] | Adaptive = n
        self.key = key
        self.per = None if per is None else seconds(per, "Limit: per")
        self.cost: float | Callable[..., int] = cost
        self.then = _THEN[then]
        self.waiting = _PLACES[self.then] if waiting is None else waiting

    @property
    def adaptive(self) -> bool:
        """Whether the number of units follows what the runs meet."""
        return isinstance(self.n, Adaptive)

    @classmethod
    def of_pool(cls, name: str, size: float, amount: float) -> Limit:
        """The limit of tasks that draw ``amount`` of the ``size`` units of a runner's pool.

        It is shared by all tasks that need the pool. Its units are amounts, say bytes or cores:
        they may be fractions and a pool may be empty, which a limit's own are checked against.
        """
        limit = cls.__new__(cls)
        # Multiples of a power of two add up and go without a rest, which others do not.
        limit.n, limit.cost = size, int(amount * _GRAINS) / _GRAINS
        limit.key = f"/needs/{name}"
        limit.per = limit.waiting = None
        limit.then = Then.WAIT
        return limit

    def __repr__(self) -> str:
        return f"Limit({self.n!r}, {self.key!r})"


def _whole(name: str, value: object, least: int, callables: bool = True) -> None:
    if callables and callable(value):
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType(f"{name} must be a whole number, not {value!r} ({type(value).__name__})")
    if value < least:
        raise UsageError(f"{name} must be {least} or more, not {value}")


class Claim(NamedTuple):
    """What a run asks of one key. Equal claims make equal lanes."""

    key: str
    per: float | None
    n: float
    cost: float
    places: int | None
    then: Then
    lo: float | None = None  # with an Adaptive: there are from lo to n units


class Usage:
    """What is known of one key: the units held, and for a *watched* key also by whom and who waits.

    A key is watched once a limit may refuse a newcomer because of it; for all others a count is
    enough.
    """

    __slots__ = ("cut", "held", "holders", "key", "level", "line", "parked", "per", "streak",
                 "usual", "watched")  # fmt: skip

    def __init__(self, key: str, per: float | None) -> None:
        self.key = key
        self.per = per
        self.held: float = 0
        self.watched = False
        self.holders: dict[Run, float] = {}  # runs whose units have not returned
        self.line: dict[Run, None] = {}  # admitted runs that wait
        self.parked: list[Any] = []  # the store's heap of lanes blocked on this key
        # of an Adaptive size, see adaptive.Level
        self.level: float | None = None
        self.streak = 0
        self.usual: float | None = None
        self.cut: float | None = None

    def waiting(self) -> list[Run]:
        """The runs in line, who came first first."""
        return sorted(self.line, key=_since)

    def holding(self) -> list[Run]:
        """The running runs that hold units, who started first first."""
        return sorted((run for run in self.holders if run.state not in ENDED), key=_started)

    def holder(self) -> Run | None:
        """Return who is to be named when the key is full: the first holder, else who waits."""
        for runs in (self.holding(), sorted(self.holders, key=_started), self.waiting()):
            if runs:
                return runs[0]
        return None


def _since(run: Run) -> tuple[float, int]:
    return run.ready, run.id


def _started(run: Run) -> tuple[float, int]:
    return run.started or 0.0, run.id


Pairs = Sequence[tuple[Claim, Usage]]


def blocked_on(pairs: Pairs) -> Usage | None:
    """Return the first key without room for its claim, or None when all units can be taken."""
    for claim, usage in pairs:
        if usage.held + claim.cost > claim.n or (
            claim.lo is not None and not has_room(claim, usage)
        ):
            return usage
    return None


def has_room(claim: Claim, usage: Usage) -> bool:
    """Tell whether the units of a claim can be taken now."""
    return usage.held + claim.cost <= units(claim, usage)


class Verdict(NamedTuple):
    """What the limits say to a newcomer, decided over all of them at once.

    ``then`` is WAIT when the newcomer may join the line. ``out`` are waiting runs that give way,
    ``stop`` running ones that are asked to end. ``usage`` is the key that decided.
    """

    then: Then
    usage: Usage | None = None
    out: tuple[Run, ...] = ()
    stop: tuple[Run, ...] = ()


ADMITTED = Verdict(Then.WAIT)


def at_the_door(pairs: Pairs) -> Verdict:
    """Judge whether a newcomer may join the line of every key it needs.

    Limits that are full act once, by the strictest ``then`` among them.
    """
    strictest: tuple[Claim, Usage] | None = None
    out: dict[Run, None] = {}
    stop: dict[Run, None] = {}
    for claim, usage in pairs:
        if claim.then is Then.WAIT or not _full(claim, usage):
            continue
        if strictest is None or claim.then > strictest[0].then:
            strictest = (claim, usage)
        if claim.then is Then.REPLACE:
            out.update(dict.fromkeys(_beyond(claim, usage)[:1] or usage.waiting()[:1]))
        elif claim.then is Then.CANCEL:
            holding = usage.holding()
            victims = [run for run in holding if run.asked is None]
            waiting = _beyond(claim, usage)
            out.update(dict.fromkeys(waiting if victims else usage.waiting()))
            if len(victims) == len(holding):  # nobody is on the way out yet
                stop.update(dict.fromkeys(victims[:1]))
    if strictest is None:
        return ADMITTED
    then, usage = strictest[0].then, strictest[1]
    if then >= Then.SKIP:
        return Verdict(then, usage)
    return Verdict(then, usage, tuple(out), tuple(stop) if then is Then.CANCEL else ())


def _full(claim: Claim, usage: Usage) -> bool:
    if usage.held + claim.cost + _in_line(usage) <= units(claim, usage):
        return False
    if claim.then is Then.CANCEL:
        return True  # even with a free waiting place somebody running has to go
    return len(_beyond(claim, usage)) >= (claim.places or 0)


def _in_line(usage: Usage) -> float:
    return sum(cost_of(run, usage) for run in usage.line)


def _beyond(claim: Claim, usage: Usage) -> list[Run]:
    """Runs in line for which there will be no unit even once all before them have started."""
    room = units(claim, usage) - usage.held
    beyond = []
    for run in usage.waiting():
        cost = cost_of(run, usage)
        if cost <= room:
            room -= cost
        else:
            beyond.append(run)
    return beyond


def cost_of(run: Run, usage: Usage) -> float:
    """Units of ``usage`` that a run takes or will take."""
    for claim, key in run.lane.pairs if run.lane is not None else ():
        if key is usage:
            return float(claim.cost)
    return 0.0


class Keys:
    """The limits of one task, ready to be asked for the claims of its runs."""

    __slots__ = ("_makers", "fixed")

    def __init__(self, task: Task) -> None:
        self._makers = [_Maker(limit, task) for limit in task.limits]
        # without templates and callables every run of the task makes the same claims
        self.fixed: tuple[Claim, ...] | None = (
            tuple(maker.fixed for maker in self._makers if maker.fixed is not None)
            if all(maker.fixed is not None for maker in self._makers)
            else None
        )

    def values(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
        """Return something hashable that is equal for runs that make the same claims."""
        if len(self._makers) == 1:
            return self._makers[0].values(args, kwargs)
        return tuple(maker.values(args, kwargs) for maker in self._makers)

    def claims(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Claim, ...]:
        """Return what a run with these arguments asks of each key.

        Raises
        ------
        UsageError
            When a key names a parameter the task does not have, or a run costs more than there is.
        """
        if self.fixed is not None:
            return self.fixed
        return tuple(maker.claim(args, kwargs) for maker in self._makers)


class _Maker:
    __slots__ = ("_prefix", "_simple", "_template", "fixed", "limit", "task")

    def __init__(self, limit: Limit, task: Task) -> None:
        self.limit = limit
        self.task = task
        shared = limit.key.startswith("/")
        self._prefix = "" if shared else task.name + ("/" if limit.key else "")
        self._template = template = Template(limit.key, task)
        plain = isinstance(limit.n, (int, float, Adaptive)) and isinstance(limit.cost, (int, float))
        self.fixed: Claim | None = None
        # the usual template has one field and plain amounts
        self._simple = template.parts[0][1] if plain and len(template.parts) == 1 else None
        if plain and not template.parts:
            self.fixed = self._claim(self._prefix + template.tail, limit.n, limit.cost)

    def values(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
        if self._simple is not None:
            value = self._simple(args, kwargs)
            return value if type(value) is str else text_of(value)
        n, cost = self._amounts(args, kwargs)
        return (n, cost, *(text_of(read(args, kwargs)) for _, read in self._template.parts))

    def _amounts(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
        n, cost = self.limit.n, self.limit.cost
        return (
            n(*args, **kwargs) if callable(n) else n,
            cost(*args, **kwargs) if callable(cost) else cost,
        )

    def claim(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Claim:
        if self.fixed is not None:
            return self.fixed
        key = self._prefix + self._template.fill(args, kwargs)
        return self._claim(key, *self._amounts(args, kwargs))

    def _claim(self, key: str, n: Any, cost: Any) -> Claim:
        lo = None
        if isinstance(n, Adaptive):
            n, lo = n.hi, n.lo
        for name, value in (("n", n), ("cost", cost)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise UsageError(
                    f"task {self.task.name!r}: {name} of {self.limit!r} must be 0 or more, "
                    f"not {value!r}"
                )
        if cost > n:
            raise UsageError(
                f"task {self.task.name!r} needs {cost:g} units of {key!r}, but there are only {n:g}"
            )
        if lo is not None and cost > lo:
            raise UsageError(
                f"task {self.task.name!r} needs {cost:g} units of {key!r}, but there may be as few "
                f"as {lo}"
            )
        return Claim(key, self.limit.per, n, cost, self.limit.waiting, self.limit.then, lo)
