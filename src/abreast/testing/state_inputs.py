"""What a store machine draws: tasks with every kind of policy, calls of them, and their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from ..domain import flows
from ..domain.adaptive import Adaptive
from ..domain.keys import ARGS
from ..domain.limits import Limit
from ..domain.model import CRASHED, ERROR, OK, STOPPED, Attempt, Extra, Flow, Run, Task
from ..domain.policy import Retry
from ..domain.states import Reason
from ..domain.unique import Unique
from ..errors import Backoff, Crashed, TimedOut

limits = st.builds(
    Limit,
    st.sampled_from([1, 2, 3, Adaptive(1, 3)]),
    st.sampled_from(["", "{key}", ARGS, "/shared", "/shared/{key}"]),
    per=st.sampled_from([None, None, 1.0]),
    waiting=st.sampled_from([None, None, 0, 2]),
    then=st.sampled_from(["wait", "wait", "skip", "replace", "cancel", "fail"]),
)
uniques = st.one_of(
    st.builds(
        Unique,
        st.sampled_from(["", "{key}", ARGS]),
        until=st.sampled_from(["start", "end", 0.5]),
        then=st.sampled_from(["join", "skip", "replace", "fail"]),
    ),
    st.builds(
        Unique,
        st.sampled_from(["", "{key}"]),
        until=st.sampled_from(["start", "end"]),
        then=st.just("delay"),
        delay=st.sampled_from([0.0, 0.5]),
    ),
)
policies = st.fixed_dictionaries(
    {},
    optional={
        "limits": st.lists(limits, max_size=3, unique_by=lambda limit: (limit.key, limit.per)),
        "unique": uniques,
        "fair_by": st.just("{key}"),
        "retry": st.sampled_from([Retry(2), Retry(1, 0.3), Retry(2, "exponential")]),
        "priority": st.just(5.0),
        "on_crash": st.just("fail"),
        "expires": st.just(1.5),
        "deadline": st.just(2.5),
    },
)
specs = st.fixed_dictionaries(
    {"task": st.integers(0, 9), "key": st.integers(0, 2)},
    optional={
        "delay": st.sampled_from([0.3, 2.0]),
        "after": st.lists(st.integers(0, 9), min_size=1, max_size=2),
        "soft": st.just(True),
        "expires": st.just(0.7),
    },
)
picks = st.integers(0, 9)  # counted from the newest
who = st.integers(0, 3)
losses = st.sampled_from([False] * 9 + [True])  # whether a turn cannot be recorded at first
outcomes = st.sampled_from(["ok", "ok", "error", "backoff", "crash", "stop", "abandon"])


def batch_of(
    id: int,
    wanted: Sequence[Mapping[str, Any]],
    kind: str | None,
    known: Sequence[Run],
    tasks: Mapping[str, Task],
    now: float,
) -> list[Run]:
    """Make records of what is wanted, numbered from ``id``.

    ``kind`` is None, ``"flow"`` or ``"fail_fast"``: then the first is the record of their flow.
    They come after runs among ``known``, counted from the newest, and after one another.
    """
    batch: list[Run] = []
    flow = None
    if kind is not None:
        flow = Flow(fail_fast=kind == "fail_fast")
        flow.become(Run(id, flows.task_of("flow"), (), {}, now))
        id += 1
    names = sorted(tasks)
    for spec in wanted:
        task = tasks[names[spec["task"] % len(names)]]
        run = Run(id, task, (spec["key"],), {}, now, flow)
        parents = [*known, *batch]
        if parents and "after" in spec:
            run.after = tuple({parents[-1 - i % len(parents)]: 0 for i in spec["after"]})
        if "delay" in spec:
            run.due = now + spec["delay"]
        if "soft" in spec or "expires" in spec:
            run.extra = Extra()
            run.extra.soft = run.after[:1] if "soft" in spec else ()
            run.extra.expires = now + spec["expires"] if "expires" in spec else None
        batch.append(run)
        id += 1
    return batch if flow is None or flow.run is None else [flow.run, *batch]


def attempt_of(run: Run, what: str, asked: Reason | None, now: float) -> Attempt:
    """The end of a run's attempt: one of ``outcomes``."""
    attempt = Attempt(run, run.attempt, (), {}, None)
    attempt.ended = now
    if what in ("stop", "abandon"):
        attempt.outcome, attempt.error = STOPPED, TimedOut("it took too long")
        attempt.stop = asked or Reason.TIMEOUT
        attempt.abandoned = what == "abandon"
    elif what == "crash":
        attempt.outcome, attempt.error = CRASHED, Crashed("its process died")
    elif what == "ok":
        attempt.outcome, attempt.value = OK, run.id
    else:
        attempt.outcome = ERROR
        attempt.error = Backoff(0.4) if what == "backoff" else ValueError("no")
    return attempt
