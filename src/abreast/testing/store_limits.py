"""What every store has to do with limits, as tests."""

from __future__ import annotations

import pytest

from ..domain.limits import Limit
from ..domain.model import STOPPED, Attempt, Run
from ..domain.states import (
    FAILED,
    PENDING,
    RUNNING,
    SKIPPED,
    Reason,
)
from ..errors import Busy
from .store_bench import NOW, StoreBench, task_with


class StoreLimits(StoreBench):
    """Conformance tests of limits."""

    # -- limits -----------------------------------------------------------------------------

    def test_units_are_never_exceeded(self) -> None:
        """A unit returns with the end of its run, and the next in line takes it."""
        runs = [self.run_of(task_with(Limit(2))) for _ in range(4)]
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
        held = [self.run_of(task_with(Limit(1, "{key}")), "a") for _ in range(50)]
        free = [self.run_of(task_with(Limit(1, "{key}")), "b"), self.run_of(task_with())]
        self.submit(*held, *free)
        assert set(self.claim()) == {held[0], *free}

    def test_a_list_of_limits_is_all_or_nothing(self) -> None:
        """A run that cannot take all units takes none."""
        both = (Limit(1, "/x"), Limit(1, "/y"))
        x, xy, y = (
            self.run_of(task_with(Limit(1, "/x"))),
            self.run_of(task_with(*both)),
            self.run_of(task_with(Limit(1, "/y"))),
        )
        self.submit(x, xy, y)
        assert self.claim() == [x, y]
        self.settle(x)
        assert self.claim() == []
        self.settle(y)
        assert self.claim() == [xy]

    def test_a_costly_run_is_not_starved(self) -> None:
        """Who came first is served first, also when a later one would fit."""
        small = [self.run_of(task_with(Limit(2, "/p"))) for _ in range(2)]
        big = self.run_of(task_with(Limit(2, "/p", cost=2)))
        late = self.run_of(task_with(Limit(2, "/p")))
        self.submit(*small, big, late)
        self.claim()
        self.settle(small[0])
        assert self.claim() == []
        self.settle(small[1])
        assert self.claim() == [big]

    def test_rates_return_their_units_by_time(self) -> None:
        """The end of a run does not matter to a rate, only its start."""
        runs = [self.run_of(task_with(Limit(1, per=10))) for _ in range(2)]
        self.submit(*runs)
        self.claim()
        self.settle(runs[0])
        assert self.claim() == []
        assert self.store.next_at == NOW + 10
        self.store.due(NOW + 10)
        assert self.claim(now=NOW + 10) == [runs[1]]

    def test_skip(self) -> None:
        """A newcomer that finds the limit full is recorded as skipped."""
        a, b = (self.run_of(task_with(Limit(1, then="skip"))) for _ in range(2))
        self.submit(a)
        self.submit(b)
        assert (b.state, b.reason) == (SKIPPED, Reason.LIMIT)

    def test_waiting_places(self) -> None:
        """So many wait; the next is skipped."""
        runs = [self.run_of(task_with(Limit(1, waiting=2, then="skip"))) for _ in range(4)]
        self.submit(*runs)
        assert [run.state for run in runs] == [PENDING, PENDING, PENDING, SKIPPED]

    def test_replace(self) -> None:
        """The newest takes the waiting place."""
        runs = [self.run_of(task_with(Limit(1, then="replace"))) for _ in range(3)]
        self.submit(runs[0])
        self.claim()
        self.submit(runs[1])
        self.submit(runs[2])
        assert [run.state for run in runs] == [RUNNING, SKIPPED, PENDING]
        assert runs[1].reason is Reason.LIMIT

    def test_cancel_the_running_one(self) -> None:
        """The running one is asked to end, the newest waits."""
        runs = [self.run_of(task_with(Limit(1, then="cancel"))) for _ in range(3)]
        self.submit(runs[0])
        self.claim()
        self.submit(runs[1])
        self.submit(runs[2])
        assert [run.state for run in runs] == [RUNNING, SKIPPED, PENDING]
        assert (runs[0].asked, self.store.to_stop) == (Reason.LIMIT, [runs[0]])

    def test_fail(self) -> None:
        """The caller of a single submit gets Busy with the holder, and no run is made."""
        a, b = (self.run_of(task_with(Limit(1, then="fail"))) for _ in range(2))
        self.submit(a)
        with pytest.raises(Busy) as refused:
            self.submit(b)
        assert (refused.value.key, refused.value.holder) == ("t", a.label)
        assert self.store.unfinished == 1
        assert b not in self.flow.runs

    def test_the_strictest_limit_decides(self) -> None:
        """Limits declared together act once."""
        task = task_with(Limit(1, "/a", then="replace"), Limit(1, "/b", then="skip"))
        runs = [self.run_of(task) for _ in range(3)]
        for run in runs:
            self.submit(run)
        assert [run.state for run in runs] == [PENDING, SKIPPED, SKIPPED]

    def test_an_abandoned_attempt_keeps_its_units(self) -> None:
        """They return when its thread does; who waits only for it would wait for ever."""
        task = task_with(Limit(1))
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

    def test_an_impossible_key_is_refused(self) -> None:
        """A mistake in a run submitted alone is raised and nothing of it is kept; in a batch it is
        recorded as the failure of that run."""
        alone = self.run_of(task_with(Limit(1, "{nothing}")))
        with pytest.raises(ValueError, match="nothing"):
            self.submit(alone)
        assert (self.store.unfinished, self.flow.runs) == (0, [])
        good, bad = self.run_of(task_with()), self.run_of(task_with(Limit(1, "{nothing}")))
        self.submit(good, bad)
        assert (bad.state, bad.reason) == (FAILED, Reason.ERROR)
        assert self.claim() == [good]
