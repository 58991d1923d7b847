"""Limits: their declaration, the keys of a run, and the judgement at the door."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abreast import Command, Limit
from abreast.domain.limits import (
    Claim,
    Keys,
    Then,
    Usage,
    Verdict,
    at_the_door,
    blocked_on,
    cost_of,
)
from abreast.domain.model import Run, Task
from abreast.domain.states import Reason
from abreast.errors import UsageError, WrongType


def nothing() -> None:
    pass


# -- declaring ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((0,), {}, UsageError, "Limit: n must be 1 or more"),
        ((-3,), {}, UsageError, "Limit: n must be 1 or more"),
        ((1.5,), {}, WrongType, "Limit: n must be a whole number"),
        (("1",), {}, WrongType, "Limit: n must be a whole number"),
        ((True,), {}, WrongType, "Limit: n must be a whole number"),
        ((1, 5), {}, WrongType, "Limit: key must be a str"),
        ((1,), {"cost": -1}, UsageError, "Limit: cost must be 0 or more"),
        ((1,), {"cost": 0.5}, WrongType, "Limit: cost must be a whole number"),
        ((1,), {"cost": 2}, UsageError, "Limit: one run costs 2 units but there are only 1"),
        ((1,), {"per": "often"}, UsageError, "Limit: per 'often' is not a duration"),
        ((1,), {"per": -1}, UsageError, "Limit: per must be 0 or more"),
        ((1,), {"waiting": -1}, UsageError, "Limit: waiting must be 0 or more"),
        ((1,), {"waiting": "2"}, WrongType, "Limit: waiting must be a whole number"),
        ((1,), {"waiting": lambda: 1}, WrongType, "Limit: waiting must be a whole number"),
        ((1,), {"then": "explode"}, UsageError, "Limit: then must be one of 'wait', 'replace'"),
        ((1,), {"then": None}, UsageError, "Limit: then must be one of"),
    ],
)
def test_a_limit_that_cannot_be(
    arguments: Any, options: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Limit(*arguments, **options)


@pytest.mark.parametrize(
    ("then", "places"), [("wait", None), ("replace", 1), ("cancel", 1), ("skip", 0), ("fail", 0)]
)
def test_the_places_behind_a_limit_when_not_given(then: str, places: int | None) -> None:
    assert Limit(3, then=then).waiting == places
    assert Limit(3, then=then, waiting=7).waiting == 7


def test_the_strictness_of_then() -> None:
    assert Then.WAIT < Then.REPLACE < Then.CANCEL < Then.SKIP < Then.FAIL


# -- keys --------------------------------------------------------------------------------------


def claims(fn: Any, limits: Any, *args: Any, **kwargs: Any) -> tuple[Claim, ...]:
    limits = limits if isinstance(limits, tuple) else (limits,)
    return Keys(Task("work", fn, limits=limits)).claims(args, kwargs)


def key(fn: Any, template: str, *args: Any, **kwargs: Any) -> str:
    return claims(fn, Limit(1, template), *args, **kwargs)[0].key


def serve(tenant: Any, region: Any = "eu", *, mode: Any = "fast", **more: Any) -> None:
    pass


@dataclass
class Account:
    name: str
    tags: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    ("template", "args", "kwargs", "wanted"),
    [
        ("", ("a",), {}, "work"),
        ("{tenant}", ("a",), {}, "work/a"),
        ("{tenant}", (), {"tenant": "a"}, "work/a"),
        ("{tenant}/{region}", ("a",), {}, "work/a/eu"),
        ("{tenant}/{region}", ("a", "us"), {}, "work/a/us"),
        ("{region}", ("a",), {"region": "us"}, "work/us"),
        ("{mode}", ("a",), {}, "work/fast"),
        ("{mode}", ("a",), {"mode": "slow"}, "work/slow"),
        ("/pool", ("a",), {}, "/pool"),
        ("/pool/{tenant}", ("a",), {}, "/pool/a"),
        ("/pool/{tenant}/x", ("a",), {}, "/pool/a/x"),
        ("{tenant.name}", (Account("acme"),), {}, "work/acme"),
        ("{tenant[id]}", ({"id": 7},), {}, "work/7"),
        ("{tenant[1]}", (["a", "b"],), {}, "work/b"),
        ("{tenant.tags[0]}", (Account("acme", ["x"]),), {}, "work/x"),
        ("{tenant}", (None,), {}, "work/None"),
        ("{extra}", ("a",), {"extra": 5}, "work/5"),
        ("fixed", ("a",), {}, "work/fixed"),
    ],
)
def test_templates(template: str, args: Any, kwargs: Any, wanted: str) -> None:
    assert key(serve, template, *args, **kwargs) == wanted


@pytest.mark.parametrize("template", ["a{{b", "{{a}}b", "a}}b{tenant}", "{{{tenant}}}"])
def test_literal_braces_do_not_eat_the_rest(template: str) -> None:
    assert key(serve, template, "x") == "work/" + template.format(tenant="x")


def test_a_field_of_a_partial_and_of_a_method() -> None:
    class Service:
        def call(self, tenant: str) -> None:
            pass

    assert key(Service().call, "{tenant}", "a") == "work/a"
    assert key(functools.partial(serve, "bound"), "{region}", "us") == "work/us"
    assert key(functools.partial(serve, region="us"), "{region}", "a") == "work/us"


def test_a_task_of_its_own_and_a_shared_pool_are_different_keys() -> None:
    assert key(serve, "pool", "a") != key(serve, "/pool", "a")


@pytest.mark.parametrize("template", ["{tennant}", "/pool/{tennant}", "{tennant.name}", "{}"])
def test_an_unknown_field_names_the_task_and_its_parameters(template: str) -> None:
    def plain(tenant: str, region: str = "eu") -> None:
        pass

    with pytest.raises(UsageError, match=r"task 'work'.*no parameter.*tenant, region"):
        key(plain, template, "a")


def test_a_field_where_there_are_no_parameters() -> None:
    with pytest.raises(UsageError, match=r"no parameter 'x'; it has none"):
        key(nothing, "{x}")
    with pytest.raises(UsageError, match=r"no parameter 'x'; it has none"):
        key(Command("true"), "{x}")


def test_a_template_that_is_not_closed_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        key(serve, "{tenant", "a")


def test_callable_amounts_get_the_arguments_of_the_run() -> None:
    limit = Limit(
        lambda tenant, **_: 10 if tenant == "big" else 2,
        "{tenant}",
        cost=lambda tenant, weight=1, **_: weight,
    )

    def work(tenant: str, weight: int = 1) -> None:
        pass

    assert claims(work, limit, "big", weight=3)[0][:4] == ("work/big", None, 10, 3)
    assert claims(work, limit, "small")[0][:4] == ("work/small", None, 2, 1)


@pytest.mark.parametrize("amount", [-1, "2", None, True])
def test_a_callable_amount_has_to_return_a_number(amount: Any) -> None:
    with pytest.raises(UsageError, match=r"task 'work': n of .* must be 0 or more"):
        claims(serve, Limit(lambda tenant: amount), "a")
    with pytest.raises(UsageError, match=r"task 'work': cost of .* must be 0 or more"):
        claims(serve, Limit(5, cost=lambda tenant: amount), "a")


def test_a_run_that_costs_more_than_there_is() -> None:
    with pytest.raises(UsageError, match=r"task 'work' needs 6 units of 'work', but .* only 5"):
        claims(serve, Limit(5, cost=lambda tenant: 6), "a")


def test_what_a_callable_raises_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        claims(serve, Limit(lambda tenant: 1 // 0), "a")


LIMITS = st.builds(
    Limit,
    st.integers(2, 4),
    st.sampled_from(["", "{a}", "/p", "/p/{b}", "{a}/{b}"]),
    cost=st.integers(0, 2),
) | st.just(Limit(lambda a, b=0: 5, "{a}", cost=lambda a, b=0: a % 3))


@given(st.lists(LIMITS, min_size=1, max_size=3), st.lists(st.tuples(*[st.integers(0, 3)] * 2)))
def test_runs_with_equal_values_make_equal_claims(limits: list[Limit], pairs: Any) -> None:
    def work(a: int, b: int = 0) -> None:
        pass

    keys = Keys(Task("work", work, limits=tuple(limits)))
    seen: dict[object, tuple[Claim, ...]] = {}
    for a, b in pairs:
        for args, kwargs in (((a, b), {}), ((a,), {"b": b}), ((), {"b": b, "a": a})):
            made = keys.claims(args, kwargs)
            if keys.fixed is not None:
                assert made == keys.fixed
            else:
                assert seen.setdefault(keys.values(args, kwargs), made) == made


# -- all or nothing ----------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=4))
def test_blocked_on_is_the_first_key_without_room(table: list[tuple[int, int, int]]) -> None:
    pairs = []
    for number, (n, cost, held) in enumerate(table):
        usage = Usage(f"/{number}", None)
        usage.held = held
        pairs.append((Claim(usage.key, None, n, cost, None, Then.WAIT), usage))
    wanted = next((usage for claim, usage in pairs if claim.n - usage.held < claim.cost), None)
    assert blocked_on(pairs) is wanted


# -- at the door -------------------------------------------------------------------------------


class Lane:
    def __init__(self, *pairs: tuple[Claim, Usage]) -> None:
        self.pairs = pairs


def a_run(claim: Claim, usage: Usage, asked: bool = False) -> Run:
    run = Run(0, Task("work", nothing), (), {}, 0.0)
    run.lane = Lane((claim, usage))
    run.asked = Reason.LIMIT if asked else None
    return run


def a_key(
    then: Then,
    n: int,
    holders: list[tuple[int, bool]] = [],  # noqa: B006  # (units, asked to end), oldest first
    line: list[int] = [],  # noqa: B006  # units of those that wait, oldest first
    cost: int = 1,
    places: int | None = None,
    name: str = "/key",
) -> tuple[Claim, Usage]:
    usage = Usage(name, None)
    usage.watched = True
    if places is None:
        places = {Then.REPLACE: 1, Then.CANCEL: 1, Then.SKIP: 0, Then.FAIL: 0}.get(then)

    def claim(units: int) -> Claim:
        return Claim(name, None, n, units, places, then)

    for units, asked in holders:
        usage.holders[a_run(claim(units), usage, asked)] = units
        usage.held += units
    for units in line:
        usage.line[a_run(claim(units), usage)] = None
    return claim(cost), usage


def test_cost_of_a_run() -> None:
    _, usage = a_key(Then.WAIT, 5, [(2, False)], [3])
    assert [cost_of(run, usage) for run in (*usage.holders, *usage.line)] == [2.0, 3.0]
    assert cost_of(Run(0, Task("work", nothing), (), {}, 0.0), usage) == 0.0
    assert cost_of(a_run(*a_key(Then.WAIT, 1)), usage) == 0.0


@st.composite
def keys_in_use(draw: st.DrawFn) -> tuple[Claim, Usage]:
    n = draw(st.integers(1, 4))
    holders: list[tuple[int, bool]] = []
    for units in draw(st.lists(st.integers(1, 2), max_size=3)):
        if sum(taken for taken, _ in holders) + units <= n:
            holders.append((units, draw(st.booleans())))
    return a_key(
        draw(st.sampled_from(Then)),
        n,
        holders,
        draw(st.lists(st.integers(1, min(2, n)), max_size=4)),
        draw(st.integers(1, min(2, n))),
        draw(st.none() | st.integers(0, 3)),
    )


def model(claim: Claim, usage: Usage) -> tuple[Then, list[Run], list[Run]]:
    """What the page on limits says of one key, step by step: (then, out, stop)."""
    free = claim.n - usage.held
    without_unit = []  # those who still wait once everybody who can has started
    for run in usage.line:
        if cost_of(run, usage) <= free:
            free -= cost_of(run, usage)
        else:
            without_unit.append(run)
    # a newcomer never overtakes: it has a unit only if all before it have theirs
    if not without_unit and claim.cost <= free:
        return Then.WAIT, [], []
    if claim.then is Then.WAIT:
        return Then.WAIT, [], []
    if claim.then is Then.CANCEL:
        leaving = [run for run in usage.holders if run.asked is not None]
        staying = [run for run in usage.holders if run.asked is None]
        out = without_unit if staying else list(usage.line)
        return Then.CANCEL, out, [] if leaving else staying[:1]
    if len(without_unit) < (claim.places or 0):
        return Then.WAIT, [], []
    if claim.then is Then.REPLACE:
        return Then.REPLACE, (without_unit or list(usage.line))[:1], []
    return claim.then, [], []


@given(keys_in_use())
def test_one_limit_against_the_model(pair: tuple[Claim, Usage]) -> None:
    claim, usage = pair
    verdict = at_the_door([pair])
    then, out, stop = model(claim, usage)
    shown = f"{claim} held={usage.held} holders={len(usage.holders)} line={len(usage.line)}"
    assert (verdict.then, list(verdict.out), list(verdict.stop)) == (then, out, stop), shown
    assert verdict.usage is (usage if then is not Then.WAIT else None), shown


@given(st.lists(keys_in_use(), max_size=4))
def test_several_limits_act_once_by_the_strictest(pairs: list[tuple[Claim, Usage]]) -> None:
    verdict = at_the_door(pairs)
    each = [model(claim, usage) for claim, usage in pairs]
    strictest = max((then for then, _, _ in each), default=Then.WAIT)
    assert verdict.then is strictest
    if strictest is Then.WAIT:
        assert verdict == Verdict(Then.WAIT)
        return
    assert verdict.usage in [
        usage for (then, _, _), (_, usage) in zip(each, pairs, strict=True) if then is strictest
    ]
    if strictest >= Then.SKIP:  # the newcomer goes, so nobody else has to
        assert not verdict.out
        assert not verdict.stop
    else:
        assert set(verdict.out) == {run for _, out, _ in each for run in out}
        assert set(verdict.stop) == {run for _, _, stop in each for run in stop}


@given(st.sampled_from([Then.SKIP, Then.FAIL]), st.integers(1, 4), st.integers(0, 3))
def test_as_many_are_let_in_as_there_are_units_and_places(then: Then, n: int, places: int) -> None:
    claim, usage = a_key(then, n, places=places)
    verdicts = []
    for _ in range(n + places + 3):
        verdicts.append(at_the_door([(claim, usage)]).then)
        if verdicts[-1] is Then.WAIT:
            usage.line[a_run(claim, usage)] = None
    assert verdicts == [Then.WAIT] * (n + places) + [then] * 3


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 5))
def test_under_replace_the_newest_wait(n: int, places: int, more: int) -> None:
    claim, usage = a_key(Then.REPLACE, n, [(1, False)] * n, places=places)
    came = [a_run(claim, usage) for _ in range(places + more)]
    for run in came:
        for gone in at_the_door([(claim, usage)]).out:
            del usage.line[gone]
        usage.line[run] = None
    assert list(usage.line) == came[-places:]


@given(st.integers(1, 4), st.integers(1, 6))
def test_under_cancel_one_goes_and_the_last_newcomer_follows(n: int, newcomers: int) -> None:
    claim, usage = a_key(Then.CANCEL, n, [(1, False)] * n)
    oldest = next(iter(usage.holders))
    came = [a_run(claim, usage) for _ in range(newcomers)]
    stopped = []
    for run in came:
        verdict = at_the_door([(claim, usage)])
        for gone in verdict.out:
            del usage.line[gone]
        for holder in verdict.stop:
            holder.asked = Reason.LIMIT
            stopped.append(holder)
        usage.line[run] = None
    assert stopped == [oldest], "one is asked to end, once"
    assert list(usage.line) == came[-1:]


def test_the_strictness_over_two_keys_names_the_key_that_decided() -> None:
    full = [(1, False)]
    skip = a_key(Then.SKIP, 1, full, name="/skip")
    fail = a_key(Then.FAIL, 1, full, name="/fail")
    wait = a_key(Then.WAIT, 1, full, name="/wait")
    roomy = a_key(Then.FAIL, 2, full, name="/roomy")
    assert at_the_door([skip, wait, fail]).usage is fail[1]
    assert at_the_door([fail, skip]).then is Then.FAIL
    assert at_the_door([roomy, skip]).usage is skip[1]
    assert at_the_door([roomy, wait]) == Verdict(Then.WAIT)
    assert at_the_door([]) == Verdict(Then.WAIT)


def test_units_of_a_pool_leave_no_rest() -> None:
    """Whatever order they are taken and given back in, an empty pool is empty."""
    tenth, third = Limit.of_pool("cpu", 1, 0.1).cost, Limit.of_pool("cpu", 1, 0.3).cost
    assert 10 * tenth <= 1
    held = 0.0
    for cost in (tenth, third, tenth, third):
        held += cost
    for cost in (tenth, tenth, third, third):
        held -= cost
    assert held == 0
