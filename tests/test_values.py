"""Values as JSON."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from abreast import errors, values


@dataclasses.dataclass
class Point:
    x: int
    y: int


def test_calls_come_back_as_plain_values() -> None:
    data = values.dump_call("t", (1, "a", None), {"p": Point(1, 2), "s": (1, 2)})
    args, kwargs = values.load_call(data)
    assert args == (1, "a", None)
    assert kwargs == {"p": {"x": 1, "y": 2}, "s": [1, 2]}
    assert values.dump_call("t", (), {}) is None
    assert values.load_call(None) == ((), {})
    at = datetime(2024, 1, 2, tzinfo=UTC)
    assert values.loads(values.dumps({"at": at})) == {"at": "2024-01-02T00:00:00Z"}


def test_what_is_not_json_is_named() -> None:
    with pytest.raises(errors.NotStorable, match=r"task 't': argument 2 \(type 'object'\)"):
        values.dump_call("t", (1, object()), {})
    with pytest.raises(errors.NotStorable, match=r"task 't': argument x= \(type 'list'\)"):
        values.dump_call("t", (), {"x": [object()]})
    with pytest.raises(errors.NotStorable, match=r"'t': its result \(type 'set'\)"):
        values.dump_result("t", {object()})
    with pytest.raises(TypeError):
        values.dump_call("t", (lambda: 1,), {})
    assert values.dump_result("t", None) is None
