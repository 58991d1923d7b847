"""What every store has to do with work that is already known, as tests."""

from __future__ import annotations

from typing import Any

import pytest

from ..domain.limits import Limit
from ..domain.model import NOTHING, Run, Task
from ..domain.states import BLOCKED, COMPLETED, PENDING, RUNNING, SCHEDULED, SKIPPED, Reason
from ..domain.unique import Unique
from ..errors import Busy
from .store_bench import NOW, StoreBench, task_with


class StoreUnique(StoreBench):
    """Conformance tests of ``Unique``."""

    def unique(self, *args: Any, limits: tuple[Limit, ...] = (), **options: Any) -> Task:
        """A task with a ``Unique``."""
        return task_with(*limits, unique=Unique(*args, **options))

    def joined(self, run: Run) -> Run | None:
        """The run that stands for one that was not made."""
        known: Run | None = (run.extra or NOTHING).joined
        return known

    def one_after_the_other(self, task: Task, *keys: str) -> list[Run]:
        """Submit runs one by one."""
        runs = [self.run_of(task, key) for key in keys]
        for run in runs:
            self.submit(run)
        return runs

    def test_the_same_work_joins(self) -> None:
        """The second submit reports the first run, and no run is made."""
        a, b, other = self.one_after_the_other(self.unique(), "x", "x", "y")
        assert (self.joined(b), self.joined(other)) == (a, None)
        assert self.store.unfinished == 2
        assert self.claim() == [a, other]

    def test_arguments_are_compared_as_the_function_gets_them(self) -> None:
        """By name or by position, given or the default."""
        task = self.unique()
        a, b = self.run_of(task, ""), self.run_of(task)
        c = self.run_of(task)
        c.kwargs = {"key": ""}
        self.submit(a)
        self.submit(b)
        self.submit(c)
        assert [self.joined(run) for run in (a, b, c)] == [None, a, a]

    def test_the_key_says_what_is_the_same(self) -> None:
        """The whole task, or a template."""
        a, b = self.one_after_the_other(self.unique(""), "x", "y")
        assert self.joined(b) is a
        c, d, e = self.one_after_the_other(self.unique("{key}"), "x", "y", "x")
        assert [self.joined(run) for run in (c, d, e)] == [None, None, c]

    def test_until_the_end(self) -> None:
        """A run counts while it waits and while it runs, and not when it has ended."""
        task = self.unique()
        a, b = self.one_after_the_other(task, "x", "x")
        self.claim()
        (c,) = self.one_after_the_other(task, "x")
        assert [self.joined(run) for run in (b, c)] == [a, a]
        self.settle(a)
        (d,) = self.one_after_the_other(task, "x")
        assert self.joined(d) is None
        assert self.claim() == [d]

    def test_until_the_start(self) -> None:
        """A run counts while it waits."""
        task = self.unique(until="start")
        a, b = self.one_after_the_other(task, "x", "x")
        self.claim()
        c, d = self.one_after_the_other(task, "x", "x")
        assert [self.joined(run) for run in (b, c, d)] == [a, None, c]

    def test_until_a_time_after_the_submit(self) -> None:
        """Whether it has ended does not matter, its age does."""
        task = self.unique(until=10)
        (a,) = self.one_after_the_other(task, "x")
        self.claim()
        self.settle(a)
        assert a.state is COMPLETED
        b, c = self.run_of(task, "x"), self.run_of(task, "x")
        b.created, c.created = NOW + 9, NOW + 10
        self.submit(b, now=NOW + 9)
        self.submit(c, now=NOW + 10)
        assert [self.joined(run) for run in (b, c)] == [a, None]

    def test_a_batch_meets_itself(self) -> None:
        """Runs that are submitted together are the same work, too."""
        runs = [self.run_of(self.unique(), "x") for _ in range(3)]
        for run in runs:
            run.task = runs[0].task
        self.submit(*runs)
        assert [self.joined(run) for run in runs] == [None, runs[0], runs[0]]
        assert self.store.unfinished == 1

    def test_who_comes_after_a_run_that_joined_comes_after_the_known_one(self) -> None:
        """The known run stands for the other everywhere."""
        task = self.unique()
        a, b = self.one_after_the_other(task, "x", "x")
        child = self.run_of(task_with(), after=(b,))
        self.submit(child)
        assert child.state is BLOCKED
        self.claim()
        self.settle(a)
        assert child.state is PENDING

    def test_skip_is_recorded(self) -> None:
        """The newcomer ends at once as skipped(duplicate)."""
        a, b = self.one_after_the_other(self.unique(then="skip"), "x", "x")
        assert (a.state, b.state, b.reason) == (PENDING, SKIPPED, Reason.DUPLICATE)
        assert self.store.unfinished == 1

    def test_fail_refuses(self) -> None:
        """The caller gets Busy with the holder, and no run is made."""
        task = self.unique(then="fail")
        (a,) = self.one_after_the_other(task, "x")
        b = self.run_of(task, "x")
        with pytest.raises(Busy) as refused:
            self.submit(b)
        assert refused.value.holder == a.label
        assert self.store.unfinished == 1
        self.submit(c := self.run_of(task, "x"), d := self.run_of(task_with()))
        assert (self.end(c), d.state) == ("skipped(duplicate)", PENDING)

    def test_replace_changes_what_has_not_started(self) -> None:
        """The known run keeps its place and gets the new arguments; a running one is left alone."""
        task = self.unique("", then="replace")
        a, b, c = self.one_after_the_other(task, "1", "2", "3")
        other = self.run_of(task_with())
        self.submit(other)
        assert [self.joined(run) for run in (b, c)] == [a, a]
        assert self.claim() == [a, other]
        assert a.args == ("3",)
        d, e = self.one_after_the_other(task, "4", "5")
        assert [self.joined(run) for run in (d, e)] == [None, d]
        assert (a.args, d.args, d.state) == (("3",), ("5",), PENDING)

    def test_replace_changes_the_keys_of_limits(self) -> None:
        """A waiting run takes the unit of its new arguments, not of the old."""
        task = self.unique("", then="replace", limits=(Limit(1, "{key}"),))
        holder = self.run_of(task_with(Limit(1, "{key}")), "x")
        self.submit(holder)
        self.claim()
        a, b = self.one_after_the_other(task, "x", "y")
        assert self.joined(b) is a
        assert self.claim() == [a]
        (c,) = self.one_after_the_other(task, "y")
        assert self.claim() == []
        self.settle(holder)
        assert self.claim() == []
        self.settle(a)
        assert self.claim() == [c]

    def test_replace_is_judged_at_the_door_of_its_new_key(self) -> None:
        """Places behind a limit hold for those who change, too."""
        task = self.unique("", then="replace", limits=(Limit(1, "{key}", then="skip"),))
        a = self.one_after_the_other(task, "x")[0]
        self.claim()
        b, c = self.one_after_the_other(task, "y", "x")
        assert self.joined(c) is b
        assert (a.state, self.end(b)) == (RUNNING, "skipped(limit)")

    def test_replace_by_one_that_waits_for_others(self) -> None:
        """Its arguments are not there yet: it becomes a run, and the known one is skipped."""
        task = self.unique("", then="replace")
        parent = self.run_of(task_with())
        self.submit(parent)
        (a,) = self.one_after_the_other(task, "x")
        b = self.run_of(task, "y", after=(parent,))
        self.submit(b)
        assert (self.end(a), b.state, self.joined(b)) == ("skipped(duplicate)", BLOCKED, None)
        (c,) = self.one_after_the_other(task, "z")
        assert (self.joined(c), b.args) == (b, ("z",))

    def test_delay_waits_for_the_last(self) -> None:
        """Every submit puts the start off (debounce)."""
        task = self.unique("", then="delay", delay=10)
        (a,) = self.one_after_the_other(task, "1")
        assert (a.state, self.store.next_at) == (SCHEDULED, NOW + 10)
        b = self.run_of(task, "2")
        b.created = NOW + 8
        self.submit(b, now=NOW + 8)
        assert (self.joined(b), self.store.next_at) == (a, NOW + 18)
        assert self.store.due(NOW + 10) == []
        self.store.due(NOW + 18)
        assert (a.state, a.args) == (PENDING, ("2",))
        c = self.run_of(task, "3")
        c.created = NOW + 19
        changes = self.submit(c, now=NOW + 19)
        assert [(x.run, x.source, x.target) for x in changes] == [(a, PENDING, SCHEDULED)]
        assert self.claim(now=NOW + 19) == []
        self.store.due(NOW + 29)
        assert self.claim(now=NOW + 29) == [a]
        assert a.args == ("3",)

    def test_a_key_that_cannot_be_made(self) -> None:
        """Alone it is raised, in a batch it is the failure of that run."""
        task = self.unique("{key.name}")
        alone = self.run_of(task, "x")
        with pytest.raises(AttributeError):
            self.submit(alone)
        assert self.store.unfinished == 0
        self.submit(bad := self.run_of(task, "x"), good := self.run_of(task_with()))
        assert (self.end(bad), good.state) == ("failed(error)", PENDING)

    def test_a_limit_for_all_arguments(self) -> None:
        """Running concurrency by arguments."""
        task = task_with(Limit(1, "{*}"))
        a, b, c = self.one_after_the_other(task, "x", "x", "y")
        assert self.claim() == [a, c]
        self.settle(a)
        assert self.claim() == [b]

    def test_ids_are_given_where_there_are_none(self) -> None:
        """They go on after the largest there is."""
        first = self.run_of(task_with())
        self.submit(first)
        runs = [self.run_of(task_with()) for _ in range(3)]
        for run in runs:
            run.id = 0
        self.submit(*runs)
        ids = [run.id for run in runs]
        assert ids == sorted(set(ids))
        assert ids[0] > first.id
