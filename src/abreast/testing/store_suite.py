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

from ..domain.model import CRASHED, ERROR, OK, STOPPED, Flow
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
from .store_bench import NOW, task_with
from .store_fair import StoreFair
from .store_flows import StoreFlows
from .store_limits import StoreLimits
from .store_times import StoreTimes
from .store_unique import StoreUnique


class StoreSuite(StoreLimits, StoreUnique, StoreFlows, StoreTimes, StoreFair):
    """Conformance tests of a store. ``make_store`` is to be overridden."""

    # -- one run ----------------------------------------------------------------------------

    def test_a_run_is_pending_then_running_then_completed(self) -> None:
        """The life of a run without complications."""
        run = self.run_of(task_with())
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
        runs = [self.run_of(task_with()) for _ in range(5)]
        self.submit(*runs)
        assert self.claim(2) == runs[:2]
        assert self.claim(9) == runs[2:]
        assert self.claim(9) == []

    def test_only_asked_executors_are_claimed(self) -> None:
        """A claim for one executor leaves the runs of others alone."""
        self.store.serve("process")
        other, mine = self.run_of(task_with(executor="process")), self.run_of(task_with())
        self.submit(other, mine)
        assert self.claim() == [mine]
        assert self.store.claim(("thread", "process"), 9, NOW) == [other]

    def test_a_stale_report_changes_nothing(self) -> None:
        """The attempt number is a fence, and a run ends once."""
        run = self.run_of(task_with(retry=Retry(1)))
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
        run = self.run_of(task_with())
        self.submit(run)
        self.claim()
        self.settle(run, ERROR)
        assert (run.state, run.reason) == (FAILED, Reason.ERROR)
        assert isinstance(run.error, ValueError)

    def test_a_timeout_is_kept(self) -> None:
        """An attempt that was stopped for its time ends as failed(timeout)."""
        run = self.run_of(task_with())
        self.submit(run)
        self.claim()
        self.settle(run, STOPPED)
        assert (run.state, run.reason) == (FAILED, Reason.TIMEOUT)

    def test_retries_wait_for_their_time(self) -> None:
        """A failed run is scheduled, and pending when the backoff is over."""
        run = self.run_of(task_with(retry=Retry(1, 5)))
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
        run = self.run_of(task_with(retry=Retry(1)))
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
        runs = [self.run_of(task_with()) for _ in range(3)]
        self.submit(*runs)
        self.claim(2)
        self.store.unclaim([runs[1], runs[0]], NOW, [])
        assert (runs[0].state, runs[0].attempt, self.store.running) == (PENDING, 0, 0)
        assert self.claim() == runs

    def test_a_delayed_run_waits(self) -> None:
        """A run with a due time is scheduled until then."""
        run = self.run_of(task_with())
        run.due = NOW + 10
        self.submit(run)
        assert (run.state, self.store.next_at) == (SCHEDULED, NOW + 10)
        self.store.due(NOW + 10)
        assert self.claim() == [run]

    def test_progress_of_a_stale_attempt_is_ignored(self) -> None:
        """Only the present attempt may say how far it is."""
        run = self.run_of(task_with())
        self.submit(run)
        self.claim()
        self.store.note_progress(run, 0, "stale")
        assert run.progress is None
        self.store.note_progress(run, 1, "fresh")
        assert run.progress == "fresh"

    # -- order ------------------------------------------------------------------------------

    def test_order_is_priority_then_path_then_age(self) -> None:
        """Head starts first, then what most comes after, then first come."""
        first, second = self.run_of(task_with()), self.run_of(task_with())
        urgent = self.run_of(task_with(priority=10))
        long = self.run_of(task_with())
        tail = self.run_of(task_with(), after=(long,))
        self.submit(first, second, urgent, long, tail)
        assert self.claim() == [urgent, long, first, second]

    # -- graphs -----------------------------------------------------------------------------

    def test_children_wait_for_all_parents(self) -> None:
        """A run starts when the last run it comes after has completed."""
        a, b = self.run_of(task_with()), self.run_of(task_with())
        c = self.run_of(task_with(), after=(a, b))
        self.submit(a, b, c)
        assert c.state is BLOCKED
        self.claim()
        self.settle(a)
        assert c.state is BLOCKED
        self.settle(b)
        assert (c.state, c.ready) == (PENDING, NOW)

    def test_children_of_a_failed_run_are_skipped(self) -> None:
        """The skip goes down the whole chain; others are not touched."""
        a, other = self.run_of(task_with()), self.run_of(task_with())
        b = self.run_of(task_with(), after=(a,))
        c = self.run_of(task_with(), after=(b, other))
        self.submit(a, other, b, c)
        self.claim()
        self.settle(a, ERROR)
        assert (b.state, b.reason) == (SKIPPED, Reason.DEPENDENCY)
        assert (c.state, c.reason) == (SKIPPED, Reason.DEPENDENCY)
        assert other.state is RUNNING
        assert self.store.unfinished == 1

    def test_a_late_child_looks_at_its_parents(self) -> None:
        """Parents may have ended before the child is submitted."""
        good, bad = self.run_of(task_with()), self.run_of(task_with())
        self.submit(good, bad)
        self.claim()
        self.settle(good)
        self.settle(bad, ERROR)
        after_good = self.run_of(task_with(), after=(good,))
        after_bad = self.run_of(task_with(), after=(bad, good))
        self.submit(after_good, after_bad)
        assert after_good.state is PENDING
        assert (after_bad.state, after_bad.reason) == (SKIPPED, Reason.DEPENDENCY)

    def test_a_long_chain_of_skips_needs_no_stack(self) -> None:
        """Neither depth nor width is bounded by the interpreter."""
        first = self.run_of(task_with())
        chain = [first]
        for _ in range(20_000):
            chain.append(self.run_of(task_with(), after=(chain[-1],)))
        self.submit(*chain)
        self.claim()
        self.settle(first, ERROR)
        assert chain[-1].state is SKIPPED
        assert self.store.unfinished == 0

    def test_fail_fast_ends_the_rest(self) -> None:
        """Running runs are flagged, others skipped; those that come later too."""
        self.flow = Flow(fail_fast=True)
        a, b, c = (self.run_of(task_with()) for _ in range(3))
        self.submit(a, b, c)
        self.claim(2)
        self.settle(a, ERROR)
        assert (c.state, c.reason) == (SKIPPED, Reason.FAIL_FAST)
        assert (b.state, b.asked, self.store.to_stop) == (RUNNING, Reason.FAIL_FAST, [b])
        late = self.run_of(task_with())
        self.submit(late)
        assert (late.state, late.reason) == (SKIPPED, Reason.FAIL_FAST)

    # -- cancel -----------------------------------------------------------------------------

    def test_cancel_ends_what_has_not_started(self) -> None:
        """In every state before the start, and with the same reason for all of a batch."""
        a = self.run_of(task_with())
        b = self.run_of(task_with(), after=(a,))
        c = self.run_of(task_with())
        c.due = NOW + 9
        self.submit(a, b, c)
        self.store.cancel([a, b, c], Reason.USER, NOW)
        assert [(run.state, run.reason) for run in (a, b, c)] == [(CANCELLED, Reason.USER)] * 3
        assert self.claim() == []
        assert self.store.due(NOW + 9) == []
        assert self.store.unfinished == 0

    def test_cancel_flags_what_runs(self) -> None:
        """The engine is told once; the end comes with the report."""
        run = self.run_of(task_with())
        self.submit(run)
        self.claim()
        self.store.cancel([run], Reason.USER, NOW)
        self.store.cancel([run], Reason.USER, NOW)
        assert (run.state, self.store.to_stop) == (RUNNING, [run])
