"""The records: task, run, attempt, and the change that moves a run from state to state.

Records have slots and are not frozen, because freezing them costs forty times the write. The
rule that replaces it: only a store changes a run, and only by applying a :class:`Change`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from .states import BLOCKED, ENDED, Reason, State

if TYPE_CHECKING:
    from .command import Command
    from .limits import Limit
    from .policy import Retry
    from .unique import Unique

Number = int | float


class Outcome(StrEnum):
    """How one attempt ended, as its executor saw it."""

    OK = "ok"  # returned a value
    ERROR = "error"  # raised
    CRASHED = "crashed"  # its process died
    STOPPED = "stopped"  # ended because the engine asked for it


OK, ERROR, CRASHED, STOPPED = Outcome.OK, Outcome.ERROR, Outcome.CRASHED, Outcome.STOPPED


class Task:
    """A named callable or command plus its policy. Durations are seconds (float)."""

    __slots__ = (
        "adaptive",
        "bounded",
        "deadline",
        "executor",
        "expected",
        "expires",
        "fair_by",
        "fn",
        "fresh",
        "keyed",
        "limits",
        "name",
        "needs",
        "nice",
        "on_crash",
        "plain",
        "priority",
        "rated",
        "retry",
        "timeout",
        "unique",
    )

    def __init__(
        self,
        name: str,
        fn: Callable[..., Any] | Command,
        executor: str = "thread",
        *,
        timeout: float | None = None,
        retry: Retry | None = None,
        priority: float = 0.0,
        limits: tuple[Limit, ...] = (),
        expected: float | None = None,
        on_crash: str = "retry",
        fresh: bool = False,
        unique: Unique | None = None,
        fair_by: str | None = None,
        expires: float | None = None,
        deadline: float | None = None,
        nice: int | None = None,
        needs: Mapping[str, float] | None = None,
    ) -> None:
        self.name = name
        self.fn = fn
        self.executor = executor
        self.timeout = timeout
        self.retry = retry
        self.priority = priority
        self.limits = limits
        self.bounded = any(limit.then for limit in limits)  # a newcomer may be refused
        self.rated = any(limit.per is not None for limit in limits)
        self.adaptive = any(limit.adaptive for limit in limits)
        self.keyed = bool(limits) or fair_by is not None  # its runs wait in lanes of their own
        # its runs need nothing but a place in a line
        self.plain = unique is None and fair_by is None and expires is None and deadline is None
        self.expected = expected
        self.on_crash = on_crash
        self.fresh = fresh
        self.unique = unique
        self.fair_by = fair_by  # template: the value whose turn it is within a limit
        self.expires = expires  # a run that has not started this long after its submit is skipped
        self.deadline = deadline  # all attempts together have to end this long after the submit
        self.nice = nice  # niceness of the task's process
        self.needs = needs or {}  # drawn from the pools of the worker that executes it


class Flow:
    """Runs that belong together: when they began to start, and whether they fail together.

    A durable flow (a graph, a batch) is itself a run: ``run`` is its record, which no executor
    ever gets; it ends when the last of ``total`` children has ended. The store counts the
    children it takes in.
    """

    __slots__ = ("bad", "began", "ended", "fail_fast", "failed", "message", "owner", "run", "runs",
                 "total")  # fmt: skip

    def __init__(self, fail_fast: bool = False, owner: Any = None) -> None:
        self.owner = owner  # the interface object its runs belong to
        self.began: float | None = None
        self.fail_fast = fail_fast
        self.failed = False  # under fail_fast: one has failed, so nothing more is started
        self.run: Run | None = None  # the flow as a run
        self.total = 0  # children, ended children, those of them that did not complete
        self.ended = 0
        self.bad = 0
        self.message = ""  # what is going on in it now
        self.runs: list[Run] = []  # those the store has taken in

    def become(self, run: Run) -> None:
        """Make ``run`` the record of this flow. It is submitted with the first children."""
        extra = run.extra = run.extra or Extra()
        extra.flow, self.run = self, run

    def unended(self) -> list[Run]:
        """The runs of the flow that have not ended."""
        return [run for run in self.runs if run.state not in ENDED]


class Extra:
    """What only some runs have. An attribute that was never set has the value that stands here."""

    expires: float | None = None  # when a run that has never started is skipped
    deadline: float | None = None  # when all attempts together have to have ended
    unique: str | None = None  # the key under which other submits find this run
    joined: Run | None = None  # the known run that stands for this one, which was not made
    flow: Flow | None = None  # the flow this run is the record of (run.flow: the one it belongs to)
    fair: str | None = None  # the value of fair_by
    turn = 0  # in which round of its lane's values it starts
    soft: tuple[Run, ...] = ()  # those of ``after`` that only have to end, in whatever way
    backoffs = 0  # attempts that ended with Backoff
    note = ""  # what the flow's message becomes when this run starts
    options: Mapping[str, Any] | None = None  # what its submit said differently from its task
    retry_of: int | None = None  # the run it repeats
    by = ""  # who made it, when it was not simply submitted: "schedule nightly", "user anna"
    worker: int | None = None  # who executes it
    pid: int | None = None  # the process of its last attempt


NOTHING = Extra()  # read where a run has no Extra; never written


class Run:
    """One execution of a task: arguments, state and result.

    Times are seconds since 1970 in UTC (float). ``attempt`` is 0 until the first start. A run
    is *live* in the memory store: its fields show the present.
    """

    __slots__ = (
        "after",
        "args",
        "asked",
        "attempt",
        "children",
        "crashes",
        "created",
        "due",
        "ended",
        "error",
        "extra",
        "flow",
        "given",
        "history",
        "id",
        "kwargs",
        "lane",
        "missing",
        "needy",
        "number",
        "path",
        "progress",
        "ready",
        "reason",
        "started",
        "state",
        "task",
        "trace",
        "trying",
        "value",
    )

    def __init__(
        self,
        id: int,
        task: Task,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        created: float,
        flow: Flow | None = None,
        given: str | None = None,
        number: int = 1,
    ) -> None:
        self.id = id
        self.task = task
        self.args = args
        self.kwargs = kwargs
        self.created = self.ready = created  # ready: since when only slots and limits hold it
        self.flow = flow
        self.given = given  # the label the user chose, if any
        self.number = number  # which run of this name it is, from 1
        self.state: State = BLOCKED
        self.reason: Reason | None = None
        self.attempt = 0
        self.crashes = 0
        self.missing = 0  # runs it comes after that have not completed
        self.path = 1.0  # longest remaining path, itself included (hops or seconds)
        self.after: tuple[Run, ...] = ()  # the runs it comes after
        self.children: list[Run] | None = None  # the runs that come after it
        self.needy = False  # its arguments contain results of other runs
        self.extra: Extra | None = None
        self.lane: Any = None  # the line it waits in, kept by the store
        self.trying: Attempt | None = None  # its present attempt, kept by the engine
        self.due: float | None = None
        self.asked: Reason | None = None  # a request, not a state
        self.progress: Progress | None = None
        self.started: float | None = None
        self.ended: float | None = None
        self.value: Any = None
        self.error: BaseException | None = None
        self.trace: str | None = None
        self.history: list[PastAttempt] | None = None  # earlier attempts, oldest first

    @property
    def fails_fast(self) -> bool:
        """Whether the end of another run of its flow may end it before it begins."""
        return self.flow is not None and self.flow.fail_fast

    @property
    def label(self) -> str:
        """The name of this run among the runs of its flow."""
        if self.given is not None:
            return self.given
        return self.task.name if self.number == 1 else f"{self.task.name}-{self.number}"

    def __repr__(self) -> str:
        reason = f"({self.reason})" if self.reason else ""
        return f"<Run {self.label!r} {self.state}{reason}>"


class PastAttempt:
    """An attempt that did not end its run: when it ran and what it met."""

    __slots__ = ("ended", "error", "reason", "started")

    def __init__(
        self, started: float, ended: float, reason: Reason | None, error: BaseException | None
    ) -> None:
        self.started = started
        self.ended = ended
        self.reason = reason
        self.error = error


class Progress:
    """How far a run says it is: ``done`` of ``total`` (None: unknown) and a message."""

    __slots__ = ("done", "message", "total")

    def __init__(self, done: Number, total: Number | None = None, message: str = "") -> None:
        self.done = done
        self.total = total
        self.message = message

    @property
    def fraction(self) -> float | None:
        """Share done between 0 and 1, or None when the total is unknown."""
        if not self.total:
            return None
        return min(1.0, max(0.0, self.done / self.total))

    def __repr__(self) -> str:
        total = "?" if self.total is None else f"{self.total}"
        return f"Progress({self.done}/{total}{', ' + repr(self.message) if self.message else ''})"


class Attempt:
    """One try at a run: what an executor is given, and what it reports.

    The engine fills the first group, the executor the second before it reports. ``number`` is
    the fence: what an attempt reports counts only while its run is at this number.
    """

    # Defaults stand on the class, because one attempt is made for every run and most differ from
    # them in two or three places.
    stop: Reason | None = None  # why the engine asked it to end
    stop_at = 0.0  # when it did
    abandoned = False  # a thread that would not end; its late report only returns units
    lent = False  # whether its slot is used by others while it waits for children
    hand: Any = None  # the hand it was given in, if it executes in a thread
    log: Any = None  # path or RunLog that receives what the task prints
    origin: str | None = None  # URL of the store the run belongs to, for code in a child process
    # reported by the executor
    outcome: Outcome | None = None
    value: Any = None
    error: BaseException | None = None
    trace: str | None = None  # traceback text when the exception came from elsewhere
    started: float | None = None  # when it really began, if later than its run was claimed
    ended = 0.0
    pid: int | None = None
    handle: Any = None  # the executor's own

    def __init__(
        self, run: Run, number: int, args: tuple[Any, ...], kwargs: Mapping[str, Any], host: Any
    ) -> None:
        self.run = run
        self.number = number
        self.args = args
        self.kwargs = kwargs
        self.host = host


class Change:
    """One step of one run, decided by :mod:`abreast.domain.decide`, applied by a store.

    A store applies it only if the run is still in ``source`` at attempt ``attempt``
    (compare-and-set), so a stale attempt can write nothing.
    """

    value: Any = None
    error: BaseException | None = None
    trace: str | None = None
    due: float | None = None
    crashes = 0
    backoffs = 0

    def __init__(
        self,
        run: Run,
        source: State,
        target: State,
        at: float,
        attempt: int,
        reason: Reason | None = None,
        **rest: Any,
    ) -> None:
        self.run = run
        self.source = source
        self.target = target
        self.at = at
        self.attempt = attempt
        self.reason = reason
        if rest:
            self.__dict__.update(rest)

    def __repr__(self) -> str:
        reason = f"({self.reason})" if self.reason else ""
        return f"<Change {self.run.label!r} {self.source} -> {self.target}{reason}>"


class Traits:
    """What an executor can and cannot do; the engine reads these, never its type."""

    __slots__ = ("can_kill", "keeps_objects", "survives_worker")

    def __init__(
        self, *, can_kill: bool, keeps_objects: bool, survives_worker: bool = False
    ) -> None:
        self.can_kill = can_kill  # an attempt can be ended against its will
        self.keeps_objects = keeps_objects  # arguments and results are the very same objects
        self.survives_worker = survives_worker  # attempts go on when the worker dies
