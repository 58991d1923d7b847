"""What every store has to do, as tests: subclass :class:`StoreSuite` and say how to make one.

::

    class TestMyStore(StoreSuite):
        def make_store(self, random):
            return MyStore(random)

``random`` returns numbers in [0, 1). The suite calls the verbs of :class:`abreast.ports.Store`
directly, one after the other, as the engine does with its lock held. That a store gives the same
trace as the others is checked by :class:`abreast.testing.Simulation`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..domain.limits import Limit
from ..domain.model import CRASHED, ERROR, OK, STOPPED, Attempt, Change, Flow, Outcome, Run, Task
from ..domain.policy import Retry
from ..domain.states import (
    BLOCKED,
    CANCELLED,
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    SCHEDULED,
    SKIPPED,
    Reason,
)
from ..errors import Busy

NOW = 1_000_000.0


class StoreSuite:
    """Conformance tests of a store. ``make_store`` is to be overridden."""

    def make_store(self, random: Callable[[], float]) -> Any:
        """Return a new, empty store that draws its random numbers from ``random``."""
        raise AssertionError(f"{type(self).__name__} has to override make_store(random)")

    # -- helpers ----------------------------------------------------------------------------

    def setup_method(self) -> None:
        """Make the store each test uses."""
        self.store = self.make_store(lambda: 0.5)
        self.store.serve("thread")
        self.flow = Flow()
        self._ids = 0

    def run_of(self, task: Task, *args: Any, after: tuple[Run, ...] = ()) -> Run:
        """Make a run that has not been submitted."""
        self._ids += 1
        run = Run(self._ids, task, args, {}, NOW, self.flow, given=f"r{self._ids}")
        run.after = after
        return run

    def submit(self, *runs: Run, now: float = NOW) -> list[Change]:
        """Submit runs together."""
        changes: list[Change] = self.store.submit(runs, now)
        return changes

    def claim(self, slots: int = 10, now: float = NOW) -> list[Run]:
        """Claim up to so many runs."""
        runs: list[Run] = self.store.claim(("thread",), slots, now)
        return runs

    def settle(
        self, run: Run, outcome: Outcome = OK, now: float = NOW, number: int | None = None
    ) -> list[Change]:
        """Report the end of a run's attempt."""
        attempt = Attempt(run, run.attempt if number is None else number, (), {}, None)
        attempt.outcome, attempt.ended = outcome, now
        if outcome is OK:
            attempt.value = "result"
        else:
            attempt.error = ValueError("no")
        if outcome is STOPPED:
            attempt.stop = Reason.TIMEOUT
        changes: list[Change] = []
        self.store.settle([attempt], now, changes)
        return changes

    # -- one run ----------------------------------------------------------------------------

    def test_a_run_is_pending_then_running_then_completed(self) -> None:
        """The life of a run without complications."""
        run = self.run_of(_task())
        self.submit(run)
        assert (run.state, self.store.unfinished, self.store.running) == (PENDING, 1, 0)
        assert self.claim(now=NOW + 1) == [run]
        assert (run.state, run.attempt, run.started) == (RUNNING, 1, NOW + 1)
        assert self.store.running == 1
        changes = self.settle(run, now=NOW + 2)
        assert [(c.source, c.target) for c in changes] == [(RUNNING, COMPLETED)]
        assert (run.state, run.value, run.ended, run.reason) == (COMPLETED, "result", NOW + 2, None)
        assert (self.store.unfinished, self.store.running) == (0, 0)

    def test_a_run_is_claimed_once(self) -> None:
        """Two claims do not get the same run, and no more than there are slots."""
        runs = [self.run_of(_task()) for _ in range(5)]
        self.submit(*runs)
        assert self.claim(2) == runs[:2]
        assert self.claim(9) == runs[2:]
        assert self.claim(9) == []

    def test_only_asked_executors_are_claimed(self) -> None:
        """A claim for one executor leaves the runs of others alone."""
        self.store.serve("process")
        other, mine = self.run_of(_task(executor="process")), self.run_of(_task())
        self.submit(other, mine)
        assert self.claim() == [mine]
        assert self.store.claim(("thread", "process"), 9, NOW) == [other]

    def test_a_stale_report_changes_nothing(self) -> None:
        """The attempt number is a fence, and a run ends once."""
        run = self.run_of(_task(retry=Retry(1)))
        self.submit(run)
        self.claim()
        self.settle(run, ERROR)
        self.store.due(NOW)
        self.claim()
        assert self.settle(run, OK, number=1) == []
        assert (run.state, run.attempt) == (RUNNING, 2)
        self.settle(run, OK)
        assert self.settle(run, ERROR) == []
        assert run.state is COMPLETED

    def test_a_failure_is_kept(self) -> None:
        """An error without retries ends the run."""
        run = self.run_of(_task())
        self.submit(run)
        self.claim()
        self.settle(run, ERROR)
        assert (run.state, run.reason) == (FAILED, Reason.ERROR)
        assert isinstance(run.error, ValueError)

    def test_a_timeout_is_kept(self) -> None:
        """An attempt that was stopped for its time ends as failed(timeout)."""
        run = self.run_of(_task())
        self.submit(run)
        self.claim()
        self.settle(run, STOPPED)
        assert (run.state, run.reason) == (FAILED, Reason.TIMEOUT)

    def test_retries_wait_for_their_time(self) -> None:
        """A failed run is scheduled, and pending when the backoff is over."""
        run = self.run_of(_task(retry=Retry(1, 5)))
        self.submit(run)
        self.claim()
        self.settle(run, ERROR)
        assert (run.state, self.store.next_at) == (SCHEDULED, NOW + 5)
        assert self.store.due(NOW + 4) == []
        assert self.claim() == []
        self.store.due(NOW + 5)
        assert self.claim() == [run]
        self.settle(run, ERROR)
        assert (run.state, run.attempt) == (FAILED, 2)
        assert run.history is not None
        assert len(run.history) == 1

    def test_crashes_are_counted_apart(self) -> None:
        """A run is repeated after a crash, three times at most, and keeps its retries."""
        run = self.run_of(_task(retry=Retry(1)))
        self.submit(run)
        for crash in (1, 2):
            self.claim()
            self.settle(run, CRASHED)
            assert (run.state, run.crashes) == (PENDING, crash)
        self.claim()
        self.settle(run, ERROR)
        assert run.state is SCHEDULED
        self.store.due(NOW)
        self.claim()
        self.settle(run, CRASHED)
        assert (run.state, run.reason, run.crashes) == (FAILED, Reason.CRASHED, 3)

    def test_a_claim_that_was_never_begun_does_not_count(self) -> None:
        """Unclaimed runs are pending again, in their old place."""
        runs = [self.run_of(_task()) for _ in range(3)]
        self.submit(*runs)
        self.claim(2)
        self.store.unclaim([runs[1], runs[0]])
        assert (runs[0].state, runs[0].attempt, self.store.running) == (PENDING, 0, 0)
        assert self.claim() == runs

    def test_a_delayed_run_waits(self) -> None:
        """A run with a due time is scheduled until then."""
        run = self.run_of(_task())
        run.due = NOW + 10
        self.submit(run)
        assert (run.state, self.store.next_at) == (SCHEDULED, NOW + 10)
        self.store.due(NOW + 10)
        assert self.claim() == [run]

    def test_progress_of_a_stale_attempt_is_ignored(self) -> None:
        """Only the present attempt may say how far it is."""
        run = self.run_of(_task())
        self.submit(run)
        self.claim()
        self.store.note_progress(run, 0, "stale")
        assert run.progress is None
        self.store.note_progress(run, 1, "fresh")
        assert run.progress == "fresh"

    # -- order ------------------------------------------------------------------------------

    def test_order_is_priority_then_path_then_age(self) -> None:
        """Head starts first, then what most comes after, then first come."""
        first, second = self.run_of(_task()), self.run_of(_task())
        urgent = self.run_of(_task(priority=10))
        long = self.run_of(_task())
        tail = self.run_of(_task(), after=(long,))
        self.submit(first, second, urgent, long, tail)
        assert self.claim() == [urgent, long, first, second]

    # -- graphs -----------------------------------------------------------------------------

    def test_children_wait_for_all_parents(self) -> None:
        """A run starts when the last run it comes after has completed."""
        a, b = self.run_of(_task()), self.run_of(_task())
        c = self.run_of(_task(), after=(a, b))
        self.submit(a, b, c)
        assert c.state is BLOCKED
        self.claim()
        self.settle(a)
        assert c.state is BLOCKED
        self.settle(b)
        assert (c.state, c.ready) == (PENDING, NOW)

    def test_children_of_a_failed_run_are_skipped(self) -> None:
        """The skip goes down the whole chain; others are not touched."""
        a, other = self.run_of(_task()), self.run_of(_task())
        b = self.run_of(_task(), after=(a,))
        c = self.run_of(_task(), after=(b, other))
        self.submit(a, other, b, c)
        self.claim()
        self.settle(a, ERROR)
        assert (b.state, b.reason) == (SKIPPED, Reason.DEPENDENCY)
        assert (c.state, c.reason) == (SKIPPED, Reason.DEPENDENCY)
        assert other.state is RUNNING
        assert self.store.unfinished == 1

    def test_a_late_child_looks_at_its_parents(self) -> None:
        """Parents may have ended before the child is submitted."""
        good, bad = self.run_of(_task()), self.run_of(_task())
        self.submit(good, bad)
        self.claim()
        self.settle(good)
        self.settle(bad, ERROR)
        after_good = self.run_of(_task(), after=(good,))
        after_bad = self.run_of(_task(), after=(bad, good))
        self.submit(after_good, after_bad)
        assert after_good.state is PENDING
        assert (after_bad.state, after_bad.reason) == (SKIPPED, Reason.DEPENDENCY)

    def test_a_long_chain_of_skips_needs_no_stack(self) -> None:
        """Neither depth nor width is bounded by the interpreter."""
        first = self.run_of(_task())
        chain = [first]
        for _ in range(20_000):
            chain.append(self.run_of(_task(), after=(chain[-1],)))
        self.submit(*chain)
        self.claim()
        self.settle(first, ERROR)
        assert chain[-1].state is SKIPPED
        assert self.store.unfinished == 0

    def test_fail_fast_ends_the_rest(self) -> None:
        """Running runs are flagged, others skipped; those that come later too."""
        self.flow = Flow(fail_fast=True)
        a, b, c = (self.run_of(_task()) for _ in range(3))
        self.submit(a, b, c)
        self.claim(2)
        self.settle(a, ERROR)
        assert (c.state, c.reason) == (SKIPPED, Reason.FAIL_FAST)
        assert (b.state, b.asked, self.store.to_stop) == (RUNNING, Reason.FAIL_FAST, [b])
        late = self.run_of(_task())
        self.submit(late)
        assert (late.state, late.reason) == (SKIPPED, Reason.FAIL_FAST)

    # -- cancel -----------------------------------------------------------------------------

    def test_cancel_ends_what_has_not_started(self) -> None:
        """In every state before the start, and with the same reason for all of a batch."""
        a = self.run_of(_task())
        b = self.run_of(_task(), after=(a,))
        c = self.run_of(_task())
        c.due = NOW + 9
        self.submit(a, b, c)
        self.store.cancel([a, b, c], Reason.USER, NOW)
        assert [(run.state, run.reason) for run in (a, b, c)] == [(CANCELLED, Reason.USER)] * 3
        assert self.claim() == []
        assert self.store.due(NOW + 9) == []
        assert self.store.unfinished == 0

    def test_cancel_flags_what_runs(self) -> None:
        """The engine is told once; the end comes with the report."""
        run = self.run_of(_task())
        self.submit(run)
        self.claim()
        self.store.cancel([run], Reason.USER, NOW)
        self.store.cancel([run], Reason.USER, NOW)
        assert (run.state, self.store.to_stop) == (RUNNING, [run])

    # -- limits -----------------------------------------------------------------------------

    def test_units_are_never_exceeded(self) -> None:
        """A unit returns with the end of its run, and the next in line takes it."""
        runs = [self.run_of(_task(Limit(2))) for _ in range(4)]
        self.submit(*runs)
        assert self.claim() == runs[:2]
        self.settle(runs[0])
        assert self.claim() == runs[2:3]
        assert self.held_key(runs[3]) == "t"

    def held_key(self, run: Run) -> str | None:
        """The key a pending run waits for."""
        usage = self.store.held_by(run)
        return None if usage is None else usage.key

    def test_a_full_key_delays_nobody_else(self) -> None:
        """Runs of another key, or of none, start past any number that waits."""
        held = [self.run_of(_task(Limit(1, "{key}")), "a") for _ in range(50)]
        free = [self.run_of(_task(Limit(1, "{key}")), "b"), self.run_of(_task())]
        self.submit(*held, *free)
        assert set(self.claim()) == {held[0], *free}

    def test_a_list_of_limits_is_all_or_nothing(self) -> None:
        """A run that cannot take all units takes none."""
        both = (Limit(1, "/x"), Limit(1, "/y"))
        x, xy, y = self.run_of(_task(Limit(1, "/x"))), self.run_of(_task(*both)), self.run_of(
            _task(Limit(1, "/y"))
        )
        self.submit(x, xy, y)
        assert self.claim() == [x, y]
        self.settle(x)
        assert self.claim() == []
        self.settle(y)
        assert self.claim() == [xy]

    def test_a_costly_run_is_not_starved(self) -> None:
        """Who came first is served first, also when a later one would fit."""
        small = [self.run_of(_task(Limit(2, "/p"))) for _ in range(2)]
        big = self.run_of(_task(Limit(2, "/p", cost=2)))
        late = self.run_of(_task(Limit(2, "/p")))
        self.submit(*small, big, late)
        self.claim()
        self.settle(small[0])
        assert self.claim() == []
        self.settle(small[1])
        assert self.claim() == [big]

    def test_rates_return_their_units_by_time(self) -> None:
        """The end of a run does not matter to a rate, only its start."""
        runs = [self.run_of(_task(Limit(1, per=10))) for _ in range(2)]
        self.submit(*runs)
        self.claim()
        self.settle(runs[0])
        assert self.claim() == []
        assert self.store.next_at == NOW + 10
        self.store.due(NOW + 10)
        assert self.claim(now=NOW + 10) == [runs[1]]

    def test_skip(self) -> None:
        """A newcomer that finds the limit full is recorded as skipped."""
        a, b = (self.run_of(_task(Limit(1, then="skip"))) for _ in range(2))
        self.submit(a)
        self.submit(b)
        assert (b.state, b.reason) == (SKIPPED, Reason.LIMIT)

    def test_waiting_places(self) -> None:
        """So many wait; the next is skipped."""
        runs = [self.run_of(_task(Limit(1, waiting=2, then="skip"))) for _ in range(4)]
        self.submit(*runs)
        assert [run.state for run in runs] == [PENDING, PENDING, PENDING, SKIPPED]

    def test_replace(self) -> None:
        """The newest takes the waiting place."""
        runs = [self.run_of(_task(Limit(1, then="replace"))) for _ in range(3)]
        self.submit(runs[0])
        self.claim()
        self.submit(runs[1])
        self.submit(runs[2])
        assert [run.state for run in runs] == [RUNNING, SKIPPED, PENDING]
        assert runs[1].reason is Reason.LIMIT

    def test_cancel_the_running_one(self) -> None:
        """The running one is asked to end, the newest waits."""
        runs = [self.run_of(_task(Limit(1, then="cancel"))) for _ in range(3)]
        self.submit(runs[0])
        self.claim()
        self.submit(runs[1])
        self.submit(runs[2])
        assert [run.state for run in runs] == [RUNNING, SKIPPED, PENDING]
        assert (runs[0].asked, self.store.to_stop) == (Reason.LIMIT, [runs[0]])

    def test_fail(self) -> None:
        """The caller of a single submit gets Busy with the holder, and no run is made."""
        a, b = (self.run_of(_task(Limit(1, then="fail"))) for _ in range(2))
        self.submit(a)
        try:
            self.submit(b)
        except Busy as busy:
            assert (busy.key, busy.holder) == ("t", a.label)
        else:
            raise AssertionError("the second submit was not refused")
        assert self.store.unfinished == 1
        assert b not in self.flow.runs

    def test_the_strictest_limit_decides(self) -> None:
        """Limits declared together act once."""
        task = _task(Limit(1, "/a", then="replace"), Limit(1, "/b", then="skip"))
        runs = [self.run_of(task) for _ in range(3)]
        for run in runs:
            self.submit(run)
        assert [run.state for run in runs] == [PENDING, SKIPPED, SKIPPED]

    def test_an_abandoned_attempt_keeps_its_units(self) -> None:
        """They return when its thread does; who waits only for it would wait for ever."""
        task = _task(Limit(1))
        a, b = self.run_of(task), self.run_of(task)
        self.submit(a, b)
        self.claim()
        attempt = Attempt(a, 1, (), {}, None)
        attempt.outcome, attempt.stop, attempt.abandoned = STOPPED, Reason.TIMEOUT, True
        self.store.settle([attempt], NOW, [])
        assert a.state is FAILED
        assert self.claim() == []
        assert [change.run for change in self.store.end_stuck([a], NOW)] == [b]
        assert (b.state, b.reason) == (FAILED, Reason.LIMIT)
        c = self.run_of(task)
        self.submit(c)
        self.store.returned(attempt)
        assert self.claim() == [c]

    def test_an_impossible_key_is_refused_whole(self) -> None:
        """A mistake in one run of a batch keeps nothing of the batch."""
        good, bad = self.run_of(_task()), self.run_of(_task(Limit(1, "{nothing}")))
        try:
            self.submit(good, bad)
        except ValueError as error:
            assert "nothing" in str(error)
        else:
            raise AssertionError("the key was accepted")
        assert self.store.unfinished == 0
        assert self.claim() == []


def _task(*limits: Limit, executor: str = "thread", **policy: Any) -> Task:
    return Task("t", _body, executor, limits=limits, **policy)


def _body(key: str = "") -> None:
    """What a task would execute."""
