"""A store under every verb in every order, next to the memory store (needs ``hypothesis``).

Subclass :class:`StoreMachine`, say how to make your store, and let pytest collect its test case::

    class MyMachine(StoreMachine):
        can_fail = True  # whether a turn can be undone

    def make_stores(self):
            return [MyStore(lambda: 0.5)]

    TestMine = MyMachine.TestCase

Several stores on the same data take turns: each verb is carried out by one of them, so that what
the others keep in memory is out of date. After every step the records, the units held and the
time of the next thing to do are compared with those of the memory store, to which the same has
been done, and the promises are checked. See :mod:`.state_checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ..domain.limits import Usage
from ..domain.model import Attempt, Change, Run, Task
from ..domain.states import RUNNING, Reason
from ..errors import Busy
from .state_checks import Expected, row_of, told, units_of
from .state_inputs import attempt_of, batch_of, losses, outcomes, picks, policies, specs, who
from .store_bench import NOW

_MOST = 60  # runs in one life


class StoreMachine(RuleBasedStateMachine):
    """Drives one or more stores on the same data, and the memory store beside them."""

    can_fail = True  # whether a turn can be undone

    def make_stores(self) -> Sequence[Any]:
        """Return one or more new stores on the same, empty data."""
        raise AssertionError(f"{type(self).__name__} has to override make_stores()")

    def read(self, ids: Sequence[int]) -> dict[int, Run]:
        """Return the records as the store has them now."""
        found: dict[int, Run] = self.stores[0].read(ids)
        return found

    def usages(self) -> Sequence[Usage]:
        """Return the usages as the store has them now."""
        found: Sequence[Usage] = self.stores[0].usages()
        return found

    def task_of(self, name: str, options: Any = None) -> Task | None:
        """Find a task of this life by its name, as a store has to."""
        return self.tasks.get(name)

    def check_store(self) -> None:
        """Check what only this kind of store can tell."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.tasks: dict[str, Task] = {}
        self.model = Expected()
        self.given: dict[int, Run] = {}  # what was submitted to the store
        self.claimed: dict[int, tuple[int, Run]] = {}  # which store executes a run, its record
        self.abandoned: dict[int, tuple[int, Attempt, Attempt]] = {}
        self.gone: set[int] = set()  # pruned
        self.heard: dict[tuple[int, int], Reason | None] = {}  # asked to stop, told to its worker
        self.bad = False
        self.stores = list(self.make_stores())
        for store in self.stores:
            self.prepare(store)
        self._last_id = 0

    def prepare(self, store: Any) -> None:
        """Make a new store ready."""
        store.serve("thread")
        store.telling = True

    @initialize(found=st.lists(policies, min_size=1, max_size=4))
    def declare(self, found: list[dict[str, Any]]) -> None:
        """Every life has tasks of its own."""
        for number, policy in enumerate(found):
            policy = {**policy, "limits": tuple(policy.get("limits", ()))}
            self.tasks[f"t{number}"] = Task(f"t{number}", _body, **policy)

    # -- submit -----------------------------------------------------------------------------

    @rule(by=who, wanted=st.lists(specs, min_size=1, max_size=4),
          flow=st.sampled_from([None, None, None, "flow", "fail_fast"]),
          lost=losses)  # fmt: skip
    def submit(self, by: int, wanted: list[dict[str, Any]], flow: str | None, lost: bool) -> None:
        """Submit runs, alone or together; some as a flow; sometimes it cannot be recorded."""
        if self._last_id >= _MOST:
            return
        first = self._last_id + 1
        self._last_id += len(wanted) + (flow is not None)
        store = self._store(by)
        mine = self._batch(first, wanted, flow, self.given)
        if lost and self.can_fail:
            self._in_vain(store, lambda: store.submit(mine, self.now))
            return
        expected = self._batch(first, wanted, flow, self.model.runs)
        with self._step():
            got = self._submitted(store, mine)
            wish = self._submitted(self.model.store, expected)
            assert got == wish, (got, wish)
            if wish[0] != "refused":
                for mirror, run in zip(expected, mine, strict=True):
                    if mirror.extra is None or mirror.extra.joined is None:
                        self.model.runs[mirror.id] = mirror
                        self.given[run.id] = run
                if flow is not None and expected[0].extra is not None:
                    assert expected[0].extra.flow is not None
                    self.model.invariants.flows.append(expected[0].extra.flow)
            self.end_turn(store)

    def _submitted(self, store: Any, runs: list[Run]) -> list[Any]:
        """What a submit does, as something that can be compared."""
        try:
            changes = store.submit(runs, self.now)
        except Busy:
            return ["refused"]
        if store is self.model.store:
            self.model.note(changes, self.now)
        return [told(changes), [run.extra and run.extra.joined and run.extra.joined.id
                                for run in runs]]  # fmt: skip

    def _batch(
        self, id: int, wanted: list[dict[str, Any]], kind: str | None, known: dict[int, Run]
    ) -> list[Run]:
        """Make records of what is wanted, among those that are known on the same side."""
        there = [run for number, run in sorted(known.items()) if number not in self.gone]
        return batch_of(id, wanted, kind, there, self.tasks, self.now)

    # -- claim and settle -------------------------------------------------------------------

    @rule(by=who, slots=st.sampled_from([1, 2, 9]), lost=losses)
    def claim(self, by: int, slots: int, lost: bool = False) -> None:
        """Start what may start."""
        store = self._store(by)
        if hasattr(store, "look_again"):
            store.look_again()
        if lost:
            self._in_vain(store, lambda: store.claim(("thread",), slots, self.now))
        with self._step():
            mine = store.claim(("thread",), slots, self.now)
            wish = self.model.store.claim(("thread",), slots, self.now)
            assert [run.id for run in mine] == [run.id for run in wish], (mine, wish)
            self._aside(store)
            self.model.claimed(wish, self.now)
            for run in mine:
                self.claimed[run.id] = by % len(self.stores), run
            if len(wish) < slots:
                for run in self.model.held_back():
                    self._names_what_it_waits_for(store, run)
            self.end_turn(store)

    def _names_what_it_waits_for(self, store: Any, run: Run) -> None:
        """Promise f."""
        found = store.held_by(self.given[run.id])
        assert found is not None, f"{run} does not know what it waits for"
        assert found.key in {claim.key for claim, _ in run.lane.pairs}, (run, found.key)

    def _aside(self, store: Any) -> None:
        """What a claim has brought about."""
        mine, store.aside = store.aside, []
        wish, self.model.store.aside = self.model.store.aside, []
        assert told(mine) == told(wish)
        self.model.note(wish, self.now)

    @precondition(lambda self: self.claimed)
    @rule(ends=st.lists(st.tuples(picks, outcomes), min_size=1, max_size=3),
          lost=losses)  # fmt: skip
    def settle(self, ends: list[tuple[int, str]], lost: bool) -> None:
        """Report ends of attempts; sometimes the store cannot record them at first."""
        chosen = {self._pick(pick, self.claimed): outcome for pick, outcome in ends}
        owner = self.claimed[next(iter(chosen))][0]
        chosen = {id: what for id, what in chosen.items() if self.claimed[id][0] == owner}
        store = self.stores[owner]
        pairs = [self._attempts(id, what) for id, what in chosen.items()]
        if lost:
            self._in_vain(store, lambda: store.settle([p[0] for p in pairs], self.now, []),
                          [pair[0] for pair in pairs])  # fmt: skip
        with self._step():
            mine: list[Change] = []
            wish: list[Change] = []
            store.settle([pair[0] for pair in pairs], self.now, mine)
            self.model.store.settle([pair[1] for pair in pairs], self.now, wish)
            for id, what in chosen.items():
                del self.claimed[id]
                if what == "abandon":
                    pair = next(pair for pair in pairs if pair[0].run.id == id)
                    self.abandoned[id] = owner, *pair
                    self.model.abandoned[id] = pair[1].run
            self._compare(mine, wish)
            self.end_turn(store)
        stale: list[Change] = []
        store.settle([pair[0] for pair in pairs], self.now, stale)  # a stale report
        self.end_turn(store)
        assert not stale, f"a second report had consequences: {stale}"

    def _attempts(self, id: int, what: str) -> tuple[Attempt, Attempt]:
        """The end of a run's attempt, on both sides."""
        mirror = self.model.runs[id]
        mine = attempt_of(self.claimed[id][1], what, mirror.asked, self.now)
        return mine, attempt_of(mirror, what, mirror.asked, self.now)

    @precondition(lambda self: self.claimed)
    @rule(pick=picks)
    def unclaim(self, pick: int) -> None:
        """Take a claim back: it was never begun."""
        id = self._pick(pick, self.claimed)
        owner, run = self.claimed.pop(id)
        with self._step():
            mine: list[Change] = []
            wish: list[Change] = []
            self.model.unclaimed(id)
            for store, record, changes in (
                (self.stores[owner], run, mine),
                (self.model.store, self.model.runs[id], wish),
            ):
                store.unclaim([record], self.now, changes)
                if record.asked is not None:  # as the engine does
                    reason, record.asked = record.asked, None
                    changes += store.cancel([record], reason, self.now)
            self._compare(mine, wish)
            self.end_turn(self.stores[owner])

    @precondition(lambda self: self.abandoned)
    @rule(pick=picks)
    def come_back(self, pick: int) -> None:
        """An abandoned thread returns."""
        id = self._pick(pick, self.abandoned)
        owner, mine, wish = self.abandoned.pop(id)
        with self._step():
            self.stores[owner].returned(mine)
            self.model.store.returned(wish)
            del self.model.abandoned[id]
            self.end_turn(self.stores[owner])

    # -- cancel, time, and what is stuck ----------------------------------------------------

    @precondition(lambda self: self.model.runs)
    @rule(by=who, chosen=st.lists(picks, min_size=1, max_size=3), lost=losses)
    def cancel(self, by: int, chosen: list[int], lost: bool) -> None:
        """Somebody wants runs to end."""
        ids = list(dict.fromkeys(self._pick(pick, self.model.runs) for pick in chosen))
        ids = [id for id in ids if id not in self.gone]
        store = self._store(by)
        mine = [self.given[id] for id in ids]
        if lost:
            self._in_vain(store, lambda: store.cancel(mine, Reason.USER, self.now))
        with self._step():
            changes = store.cancel(mine, Reason.USER, self.now)
            wish = self.model.store.cancel(
                [self.model.runs[id] for id in ids], Reason.USER, self.now
            )
            self._compare(changes, wish)
            self.end_turn(store)

    @rule(by=who, seconds=st.sampled_from([0.0, 0.3, 1.0, 3.0]), look=st.booleans())
    def pass_time(self, by: int, seconds: float, look: bool) -> None:
        """Time passes, and what was to happen by now may be looked for."""
        self.now += seconds
        store = self._store(by)
        if look:
            self._due(store)

    def _due(self, store: Any) -> None:
        with self._step():
            self.model.rates = [entry for entry in self.model.rates if entry[0] > self.now]
            self._compare(store.due(self.now), self.model.store.due(self.now))
            self.end_turn(store)

    @precondition(lambda self: self.abandoned and not self.claimed)
    @precondition(lambda self: self.model.next_at() == float("inf"))
    @rule(by=who)
    def end_stuck(self, by: int) -> None:
        """Nothing runs: what waits for nothing but abandoned threads ends."""
        store = self._store(by)
        mine = [entry[1].run for entry in self.abandoned.values()]
        with self._step():
            self._compare(
                store.end_stuck(mine, self.now),
                self.model.store.end_stuck(list(self.model.abandoned.values()), self.now),
            )
            self.end_turn(store)

    # -- the frame --------------------------------------------------------------------------

    def _store(self, by: int) -> Any:
        return self.stores[by % len(self.stores)]

    @staticmethod
    def _pick(pick: int, known: dict[int, Any]) -> int:
        ids = sorted(known)
        return ids[-1 - pick % len(ids)]

    def _step(self) -> _Step:
        return _Step(self)

    def _compare(self, mine: Sequence[Change], wish: Sequence[Change]) -> None:
        assert told(mine) == told(wish), (told(mine), told(wish))
        self.model.note(wish, self.now)

    def _in_vain(
        self, store: Any, verb: Callable[[], Any], reports: Sequence[Attempt] = ()
    ) -> None:
        """Carry out a verb that comes to nothing, as when the disk is full."""
        if not self.can_fail:
            return
        with self._step():
            with suppress(Busy):
                verb()
            store.undo_turn(reports)
            self._stops(store)

    def end_turn(self, store: Any) -> None:
        """Put on record what was done, and look whether it knows what to do next."""
        store.end_turn()
        self._stops(store)
        wish = self.model.next_at()
        assert store.next_at == wish, (store.next_at, wish)
        assert self.model.store.next_at == wish, (self.model.store.next_at, wish)

    def _stops(self, store: Any) -> None:
        """Who executes a run that is to end has heard of it, once."""
        number = self.stores.index(store)
        for run in store.to_stop:
            mirror = self.model.runs[run.id]
            assert (run.id, mirror.attempt) not in self.heard or mirror.state is not RUNNING
            self.heard[run.id, mirror.attempt] = run.asked
        store.to_stop.clear()
        for id, (owner, _) in self.claimed.items():
            mirror = self.model.runs[id]
            if owner == number and mirror.asked is not None:
                assert self.heard.get((id, mirror.attempt)) is mirror.asked, mirror
        self.model.store.to_stop.clear()

    def compare(self) -> None:
        """Compare the store with the model, and both with what was promised."""
        self.model.check(self.now)
        ids = [id for id in self.model.runs if id not in self.gone]
        found = self.read(ids)
        for id in ids:
            mine, wish = row_of(found[id]), row_of(self.model.runs[id])
            if mine != wish:
                differ = {k: (mine[k], wish[k]) for k in wish if mine[k] != wish[k]}
                raise AssertionError(f"run {id}: {differ}")
        mine_held, wish_held = units_of(self.usages()), units_of(self.model.store.usages())
        assert mine_held == wish_held, (mine_held, wish_held)
        self.check_store()

    def teardown(self) -> None:
        """Live on until all has ended: nothing may be left over."""
        if not self.bad:
            self._finish()
            left = [run for run in self.read(list(self.given)).values() if run.ended is None]
            assert not left, f"{left} never end"

    def _finish(self) -> None:
        while self.abandoned:
            self.come_back(0)
        for _ in range(200):
            self.claim(0, 9)
            if self.claimed:
                self.settle([(pick, "ok") for pick in range(10)], False)
            elif self.model.next_at() < float("inf"):
                self.now = max(self.now, self.model.next_at())
                self._due(self.stores[0])
            else:
                return
        raise AssertionError("it does not come to an end")


class _Step:
    """One verb: what goes wrong in it is what is to be told, whatever comes after."""

    def __init__(self, machine: StoreMachine) -> None:
        self.machine = machine

    def __enter__(self) -> None:
        self.machine.bad = True

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.machine.compare()
            self.machine.bad = False


def _body(key: int) -> None:
    """What the tasks would execute."""
