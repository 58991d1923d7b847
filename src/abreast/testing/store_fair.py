"""What every store has to do with turns and with limits that find their size, as tests."""

from __future__ import annotations

from random import Random

from ..domain.adaptive import Adaptive
from ..domain.limits import Limit
from ..domain.model import ERROR, OK, STOPPED, Run
from ..domain.policy import Retry
from ..domain.states import RUNNING, Reason
from ..errors import Backoff
from .store_bench import NOW, StoreBench, task_with


class StoreFair(StoreBench):
    """Conformance tests of ``fair_by`` and ``Adaptive``."""

    def keys_in_order(self) -> str:
        """Start and end all there is, one at a time; return the arguments."""
        found = ""
        while started := self.claim(1):
            found += started[0].args[0]
            self.settle(started[0])
        return found

    def test_values_take_turns(self) -> None:
        """A value with a long line does not keep others waiting."""
        task = task_with(Limit(1, "/p"), fair_by="{key}")
        self.submit(*(self.run_of(task, key) for key in "aaaabbc"))
        assert self.keys_in_order() == "abcabaa"

    def test_turns_without_a_limit(self) -> None:
        """Then they are turns for the slots."""
        task = task_with(fair_by="{key}")
        self.submit(*(self.run_of(task, key) for key in "aaabb"))
        assert self.keys_in_order() == "ababa"

    def test_a_newcomer_does_not_catch_up(self) -> None:
        """Who was away has no claim to the rounds that were, and takes part in the present one."""
        task = task_with(Limit(1), fair_by="{key}")
        self.submit(*(self.run_of(task, key) for key in "aaaa"))
        first = self.claim()
        self.settle(first[0])
        self.settle(self.claim()[0])
        self.submit(*(self.run_of(task, key) for key in "bb"))
        assert self.keys_in_order() == "baba"

    def test_who_leaves_gives_its_turn_to_its_own(self) -> None:
        """Later ones of the same value move up."""
        task = task_with(Limit(1), fair_by="{key}")
        runs = [self.run_of(task, key) for key in "aaabbb"]
        self.submit(*runs)
        self.store.cancel([runs[0], runs[1]], Reason.USER, NOW)
        assert self.claim(1) == [runs[2]]
        self.settle(runs[2])
        assert self.keys_in_order() == "bbb"

    def test_a_claim_that_was_never_begun_keeps_its_turn(self) -> None:
        """It is first again."""
        task = task_with(Limit(2), fair_by="{key}")
        runs = [self.run_of(task, key) for key in "aabb"]
        self.submit(*runs)
        assert self.claim() == [runs[0], runs[2]]
        self.store.unclaim([runs[2], runs[0]], NOW, [])
        assert self.claim() == [runs[0], runs[2]]

    def test_a_retry_takes_a_new_turn(self) -> None:
        """It goes behind those of its value that wait."""
        task = task_with(Limit(1), fair_by="{key}", retry=Retry(1))
        runs = [self.run_of(task, key) for key in "aab"]
        self.submit(*runs)
        self.claim()
        self.settle(runs[0], ERROR)
        self.store.due(NOW)
        order = []
        while started := self.claim(1):
            order.append(started[0])
            self.settle(started[0])
        assert order == [runs[2], runs[1], runs[0]]

    def test_no_value_starts_twice_before_each_has_started(self) -> None:
        """Promise g, for whatever comes and goes."""
        for seed in range(50):
            self.setup_method()
            self.live_fairly(Random(seed))

    def live_fairly(self, rng: Random) -> None:
        """Submit, start, end and cancel at random, and look at every start."""
        task = task_with(Limit(rng.randint(1, 3)), fair_by="{key}")
        tasks = [task, task_with(*task.limits, fair_by="{key}", priority=5.0)]
        waiting = [self.run_of(rng.choice(tasks), rng.choice("abc")) for _ in range(20)]
        self.submit(*waiting)
        from_the_beginning = {run.args[0] for run in waiting}
        running: list[Run] = []
        starts: dict[str, int] = dict.fromkeys("abcdefghijk", 0)
        passed: dict[str, set[str]] = {}  # per newcomer, which values have started meanwhile
        newcomers = list("defghijk")
        for _ in range(80):
            chance = rng.random()
            if chance < 0.2:
                key = rng.choice([*"abc", *newcomers[:1]])
                waiting.append(self.run_of(rng.choice(tasks), key))
                self.submit(waiting[-1])
                if key in newcomers:
                    newcomers.remove(key)
                    passed[key] = set()
            elif chance < 0.35 and waiting:
                gone = waiting.pop(rng.randrange(len(waiting)))
                self.store.cancel([gone], Reason.USER, NOW)
            elif running:
                self.settle(running.pop(rng.randrange(len(running))))
            here = {run.args[0] for run in waiting}
            from_the_beginning &= here
            passed = {key: seen for key, seen in passed.items() if key in here}
            for run in self.claim(rng.randint(1, 2)):
                self.look_at_start(run.args[0], starts, passed, from_the_beginning)
                waiting.remove(run)
                running.append(run)

    def look_at_start(
        self, key: str, starts: dict[str, int], passed: dict[str, set[str]], always: set[str]
    ) -> None:
        """Compare a start with what was promised."""
        starts[key] += 1
        least = min((starts[other] for other in always), default=starts[key])
        assert key not in always or starts[key] <= least + 1, f"{key} started too often: {starts}"
        passed.pop(key, None)
        for value, seen in passed.items():
            assert key not in seen, f"{key} started twice while {value} waits"
            seen.add(key)

    # -- limits that find their size --------------------------------------------------------

    def full(self, runs: int, lo: int = 1, hi: int = 4) -> list[Run]:
        """Submit runs behind an adaptive limit and start what may."""
        task = task_with(Limit(Adaptive(lo, hi)))
        self.submit(*(self.run_of(task) for _ in range(runs)))
        return self.claim()

    def turn_over(self, running: list[Run], now: float) -> list[Run]:
        """End what runs, one second after it started, and start what may."""
        self.settle_all(running, now=now)
        return self.claim(now=now)

    def test_it_begins_low_and_rises(self) -> None:
        """By one for as many good ends as there are units."""
        running, sizes = self.full(40), []
        for second in range(1, 9):
            sizes.append(len(running))
            running = self.turn_over(running, NOW + second)
        assert sizes == [1, 2, 3, 4, 4, 4, 4, 4]

    def test_it_rises_only_when_it_is_full(self) -> None:
        """Otherwise more units would be of no use."""
        task = task_with(Limit(Adaptive(2, 8)))
        for second in range(10):
            self.submit(self.run_of(task))
            (run,) = self.claim(now=NOW + second)
            self.settle(run, now=NOW + second + 1)
        self.submit(*(self.run_of(task) for _ in range(9)))
        assert len(self.claim()) == 2

    def test_trouble_lowers_it_once_per_turnover(self) -> None:
        """A timeout, Backoff, or an attempt that takes much longer than usual."""
        for outcome, error, took in (
            (STOPPED, None, 1),
            (ERROR, Backoff(500), 1),
            (None, None, 3),
        ):
            self.setup_method()
            running = self.full(60, 1, 10)
            now = NOW
            for _ in range(9):
                now += 1
                running = self.turn_over(running, now)
            assert len(running) == 10
            now += took
            self.settle_all(running[:3], outcome or OK, now=now, error=error)
            assert self.claim(now=now) == [], (outcome, "seven are left, and seven run")
            self.settle(running[3], now=now)
            assert len(self.claim(now=now)) == 1

    def test_it_never_falls_below_its_least(self) -> None:
        """Whatever happens."""
        running = self.full(20, 2, 9)
        now = NOW
        for _ in range(4):
            now += 1
            self.settle_all(running, STOPPED, now=now)
            running = self.claim(now=now)
            assert len(running) == 2

    def test_an_adaptive_limit_takes_part_at_the_door(self) -> None:
        """Its units are those there are now."""
        task = task_with(Limit(Adaptive(1, 5), then="skip"))
        a, b = self.run_of(task), self.run_of(task)
        self.submit(a)
        self.claim()
        self.submit(b)
        assert (a.state, self.end(b)) == (RUNNING, "skipped(limit)")
