"""Tasks that start when others have completed, as pure rules."""

from __future__ import annotations

from abreast.domain.followers import Follower, circle, completed


def test_all_have_to_complete() -> None:
    report = Follower("report", ("extract", "clean"))
    ready, kept = completed(report, "extract", 1, {})
    assert (ready, kept) == (None, {"extract": 1})
    ready, kept = completed(report, "extract", 2, kept)
    assert (ready, kept) == (None, {"extract": 2})
    ready, kept = completed(report, "clean", 3, kept)
    assert (ready, kept) == ({"extract": 2, "clean": 3}, {})


def test_any_will_do() -> None:
    alarm = Follower("alarm", ("a", "b"), any=True)
    assert completed(alarm, "b", 7, {}) == ({"b": 7}, {})


def test_circles_are_found() -> None:
    assert circle([Follower("b", ("a",)), Follower("c", ("b",))]) is None
    found = circle([Follower("b", ("a",)), Follower("a", ("c",)), Follower("c", ("b",))])
    assert found is not None
    assert found[0] == found[-1]
    assert set(found) == {"a", "b", "c"}
    assert circle([Follower("a", ("a",))]) == ["a", "a"]
