"""What every store has to do with flows that are runs, and with soft parents, as tests."""

from __future__ import annotations

from ..domain import flows
from ..domain.model import ERROR, Flow, Run
from ..domain.states import BLOCKED, CANCELLED, COMPLETED, FAILED, PENDING, RUNNING, Reason
from .store_bench import NOW, StoreBench, extra_of, task_with


class StoreFlows(StoreBench):
    """Conformance tests of flows."""

    def a_flow(self, fail_fast: bool = False) -> tuple[Flow, Run]:
        """A flow and its record; the next runs belong to it."""
        flow = Flow(fail_fast)
        self._ids += 1
        record = Run(self._ids, flows.task_of("flow"), (), {}, NOW, given=f"r{self._ids}")
        flow.become(record)
        self.flow = flow
        return flow, record

    def test_a_flow_runs_while_its_children_do(self) -> None:
        """Pending until the first starts, running until the last has ended."""
        flow, record = self.a_flow()
        a, b = self.run_of(task_with()), self.run_of(task_with())
        extra_of(b).note = "the second"
        self.submit(record, a, b)
        assert (record.state, flow.total, self.store.unfinished) == (PENDING, 2, 3)
        assert self.claim(1, now=NOW + 1) == [a]
        assert (record.state, record.attempt, record.started) == (RUNNING, 1, NOW + 1)
        assert (self.store.running, flow.message) == (1, "")
        changes = self.settle(a, now=NOW + 2)
        assert [(x.run, x.target) for x in changes] == [(record, RUNNING), (a, COMPLETED)]
        assert (record.state, flow.ended) == (RUNNING, 1)
        assert self.claim() == [b]
        assert flow.message == "the second"
        self.settle(b, now=NOW + 3)
        assert (record.state, record.ended, flow.bad) == (COMPLETED, NOW + 3, 0)
        assert (self.store.unfinished, self.store.running) == (0, 0)

    def test_a_flow_fails_with_a_child(self) -> None:
        """When all have ended, and not before."""
        flow, record = self.a_flow()
        a, b = self.run_of(task_with()), self.run_of(task_with())
        c = self.run_of(task_with(), after=(a,))
        self.submit(record, a, b, c)
        self.claim()
        self.settle(a, ERROR)
        assert (record.state, flow.ended, flow.bad) == (RUNNING, 2, 2)
        self.settle(b)
        assert (self.end(record), flow.ended) == ("failed(error)", 3)
        assert "2 of 3" in str(record.error)

    def test_what_comes_after_a_flow(self) -> None:
        """Its record is a run like others to those that wait for it."""
        _, record = self.a_flow()
        a = self.run_of(task_with())
        self.submit(record, a)
        self.flow = Flow()
        after = self.run_of(task_with(), after=(record,))
        self.submit(after)
        assert after.state is BLOCKED
        self.claim()
        self.settle(a)
        assert (record.state, after.state) == (COMPLETED, PENDING)

    def test_cancelling_a_flow_cancels_its_children(self) -> None:
        """What waits ends at once, what runs is asked to; the flow ends with the last."""
        _, record = self.a_flow()
        a, b = self.run_of(task_with()), self.run_of(task_with())
        self.submit(record, a, b)
        self.claim(1)
        self.store.cancel([record], Reason.USER, NOW)
        assert (a.asked, self.end(b), record.state) == (Reason.USER, "cancelled(user)", RUNNING)
        assert self.store.to_stop == [a]
        self.settle(a)
        assert (a.state, self.end(record)) == (COMPLETED, "cancelled(user)")
        late = self.run_of(task_with())
        self.submit(late)
        assert self.end(late) == "cancelled(user)"

    def test_a_flow_whose_children_are_all_cancelled(self) -> None:
        """Has been cancelled itself, though nobody asked for that."""
        _, record = self.a_flow()
        a, b = self.run_of(task_with()), self.run_of(task_with())
        self.submit(record, a, b)
        self.store.cancel([a], Reason.USER, NOW)
        assert record.state is PENDING
        self.store.cancel([b], Reason.USER, NOW)
        assert (self.end(record), record.attempt) == ("cancelled(user)", 0)
        assert self.store.unfinished == 0

    def test_a_flow_that_fails_fast(self) -> None:
        """The rest of its children goes, and others do not."""
        other = self.run_of(task_with())
        _, record = self.a_flow(fail_fast=True)
        a, b = self.run_of(task_with()), self.run_of(task_with())
        self.submit(record, a, b, other)
        self.claim(1)
        self.settle(self.claim(1)[0] if a.state is not RUNNING else a, ERROR)
        assert (a.state, self.end(b), self.end(record)) == (
            *(FAILED, "skipped(fail_fast)"),
            "failed(error)",
        )
        assert other.state in (PENDING, RUNNING)

    def test_a_flow_without_children(self) -> None:
        """Has completed."""
        _, record = self.a_flow()
        changes = self.submit(record)
        assert [x.target for x in changes] == [PENDING, RUNNING, COMPLETED]
        assert self.store.unfinished == 0

    def test_flows_in_flows(self) -> None:
        """A record is a child of the flow it belongs to."""
        outer, top = self.a_flow()
        inner, record = self.a_flow()
        record.flow = outer
        a = self.run_of(task_with())
        self.submit(top, record, a)
        assert (outer.total, inner.total) == (1, 1)
        self.claim()
        assert (record.state, top.state) == (RUNNING, RUNNING)
        self.settle(a)
        assert (record.state, top.state) == (COMPLETED, COMPLETED)

    def test_cancel_goes_down_through_flows(self) -> None:
        """To the children of the records among the children."""
        outer, top = self.a_flow()
        _, record = self.a_flow()
        record.flow = outer
        a = self.run_of(task_with())
        self.submit(top, record, a)
        self.store.cancel([top], Reason.USER, NOW)
        assert [run.state for run in (a, record, top)] == [CANCELLED] * 3

    def test_durable_flows_do_not_overtake(self) -> None:
        """Runs of a flow count as created when it began, among all others."""
        early = self.run_of(task_with())
        early.created = NOW - 5
        _, record = self.a_flow()
        a = self.run_of(task_with())
        self.flow = None  # type: ignore[assignment]  # of no flow
        early.flow = None
        late = self.run_of(task_with())
        late.created = NOW + 5
        self.submit(record, late, a, early)
        assert self.claim() == [early, a, late]

    # -- soft parents -----------------------------------------------------------------------

    def test_a_soft_parent_only_has_to_end(self) -> None:
        """In whatever way; others have to complete."""
        soft, hard = self.run_of(task_with()), self.run_of(task_with())
        child = self.run_of(task_with(), after=(soft, hard))
        extra_of(child).soft = (soft,)
        self.submit(soft, hard, child)
        self.claim()
        self.settle(soft, ERROR)
        assert child.state is BLOCKED
        self.settle(hard)
        assert child.state is PENDING

    def test_a_hard_parent_that_failed_skips(self) -> None:
        """Whatever the soft ones do."""
        soft, hard = self.run_of(task_with()), self.run_of(task_with())
        child = self.run_of(task_with(), after=(soft, hard))
        extra_of(child).soft = (soft,)
        self.submit(soft, hard, child)
        self.claim()
        self.settle(hard, ERROR)
        assert self.end(child) == "skipped(dependency)"

    def test_a_soft_parent_that_ended_before(self) -> None:
        """Is no obstacle to a late child."""
        soft = self.run_of(task_with())
        self.submit(soft)
        self.claim()
        self.settle(soft, ERROR)
        child = self.run_of(task_with(), after=(soft,))
        extra_of(child).soft = (soft,)
        self.submit(child)
        assert self.claim() == [child]
