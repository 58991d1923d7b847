"""What every store has to do with times: backoff, expiry and deadlines, as tests."""

from __future__ import annotations

from math import inf

from ..domain.model import CRASHED, ERROR, STOPPED
from ..domain.policy import Retry
from ..domain.states import COMPLETED, PENDING, RUNNING, SCHEDULED, Reason
from ..errors import Backoff
from .store_bench import NOW, StoreBench, extra_of, task_with


class StoreTimes(StoreBench):
    """Conformance tests of backoff, ``expires`` and ``deadline``."""

    def test_backoff_is_neither_failure_nor_try(self) -> None:
        """The run comes back when it asked to, and its retries are all there."""
        run = self.run_of(task_with(retry=Retry(1)))
        self.submit(run)
        for number in (1, 2, 3):
            self.claim(now=NOW + 5 * number)
            self.settle(run, ERROR, now=NOW + 5 * number, error=Backoff(5))
            assert (run.state, run.due) == (SCHEDULED, NOW + 5 * number + 5)
            assert extra_of(run).backoffs == number
            assert self.store.due(NOW + 5 * number + 4) == []
            self.store.due(NOW + 5 * number + 5)
            assert run.state is PENDING
        self.claim()
        self.settle(run, ERROR)
        assert run.state is SCHEDULED
        self.store.due(NOW + 99)
        self.claim()
        self.settle(run, ERROR)
        assert self.end(run) == "failed(error)"

    def test_backoff_of_a_run_that_is_to_end(self) -> None:
        """It is not tried again."""
        run = self.run_of(task_with())
        self.submit(run)
        self.claim()
        self.store.cancel([run], Reason.USER, NOW)
        self.settle(run, ERROR, error=Backoff(5))
        assert self.end(run) == "cancelled(user)"

    def test_expires(self) -> None:
        """A run that has not started by then is skipped, whatever it waits for."""
        task = task_with(expires=10.0)
        started, waiting = self.run_of(task), self.run_of(task)
        parent = self.run_of(task_with())
        blocked = self.run_of(task, after=(parent,))
        delayed = self.run_of(task)
        delayed.due = NOW + 50
        self.submit(parent, started, waiting, blocked, delayed)
        assert self.store.next_at == NOW + 10
        assert self.claim(2) == [parent, started]
        assert self.store.due(NOW + 9) == []
        self.store.due(NOW + 10)
        assert [self.end(run) for run in (waiting, blocked, delayed)] == ["skipped(expired)"] * 3
        assert (started.state, self.store.next_at) == (RUNNING, inf)
        self.settle(started, now=NOW + 60)
        assert started.state is COMPLETED

    def test_a_run_may_say_when_it_expires(self) -> None:
        """Its own time comes before that of its task."""
        run = self.run_of(task_with(expires=10.0))
        extra_of(run).expires = NOW + 3
        self.submit(run)
        assert self.store.next_at == NOW + 3
        late = self.run_of(task_with())
        extra_of(late).expires = NOW - 1
        self.submit(late)
        assert self.end(late) == "skipped(expired)"

    def test_an_expired_run_lets_its_children_know(self) -> None:
        """They are skipped."""
        run = self.run_of(task_with(expires=1.0))
        child = self.run_of(task_with(), after=(run,))
        self.submit(run, child)
        self.store.due(NOW + 1)
        assert self.end(child) == "skipped(dependency)"
        assert self.store.unfinished == 0

    def test_deadline_before_the_start(self) -> None:
        """It never started: skipped."""
        run = self.run_of(task_with(deadline=10.0))
        self.submit(run)
        self.store.due(NOW + 10)
        assert self.end(run) == "skipped(expired)"

    def test_deadline_between_attempts(self) -> None:
        """It was tried: failed. A retry after the deadline is not made."""
        task = task_with(deadline=10.0, retry=Retry(5, 6))
        a, b = self.run_of(task), self.run_of(task)
        self.submit(a, b)
        self.claim()
        self.settle(a, ERROR, now=NOW + 1)
        assert (a.state, self.store.next_at) == (SCHEDULED, NOW + 7)
        self.settle(b, ERROR, now=NOW + 4)
        assert self.end(b) == "failed(error)"
        self.store.due(NOW + 7)
        assert (a.state, self.store.next_at) == (PENDING, NOW + 10)
        self.store.due(NOW + 10)
        assert self.end(a) == "failed(timeout)"
        assert self.store.next_at == inf

    def test_nothing_is_repeated_after_the_deadline(self) -> None:
        """Neither after a crash, nor a timeout, nor a backoff."""
        ends = []
        for outcome in (CRASHED, STOPPED, ERROR):
            run = self.run_of(task_with(deadline=10.0, retry=Retry(5)))
            self.submit(run)
            self.claim()
            self.settle(run, outcome, now=NOW + 10, error=Backoff(0))
            ends.append(self.end(run))
        assert ends == ["failed(crashed)", "failed(timeout)", "failed(timeout)"]

    def test_the_next_time_is_exact(self) -> None:
        """What has been cancelled or started is not waited for."""
        a, b = self.run_of(task_with()), self.run_of(task_with(expires=20.0))
        a.due = NOW + 10
        self.submit(a, b)
        assert self.store.next_at == NOW + 10
        self.store.cancel([a], Reason.USER, NOW)
        assert self.store.next_at == NOW + 20
        self.claim()
        assert self.store.next_at == inf
        self.store.unclaim([b], NOW, [])
        assert self.store.next_at == NOW + 20
