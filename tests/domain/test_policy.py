"""Durations, amounts and retries."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abreast import Retry, TimedOut
from abreast.domain.policy import amount, seconds
from abreast.errors import UsageError, WrongType


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0, 0.0),
        (3, 3.0),
        (0.25, 0.25),
        ("250ms", 0.25),
        ("30s", 30.0),
        ("10m", 600.0),
        ("1.5h", 5400.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        (" 2 d ", 172800.0),
        ("1w", 604800.0),
        (timedelta(minutes=2), 120.0),
        (timedelta(milliseconds=1), 0.001),
    ],
)
def test_durations(value: Any, wanted: float) -> None:
    assert seconds(value) == pytest.approx(wanted)


@pytest.mark.parametrize("value", [True, None, [1], b"1s", 1j, object()])
def test_a_duration_of_a_wrong_type_names_the_option(value: Any) -> None:
    with pytest.raises(WrongType, match="timeout must be seconds"):
        seconds(value, "timeout")


@pytest.mark.parametrize(
    "value", ["", "s", "10", "10 parsecs", "1m!", "m1", "-5s", "1h-2m", "1e3s", "nan"]
)
def test_a_text_that_is_no_duration(value: str) -> None:
    with pytest.raises(UsageError, match=r"grace .*is not a duration"):
        seconds(value, "grace")


@pytest.mark.parametrize("value", [-1, -0.001, math.nan, math.inf, -math.inf, timedelta(-1)])
def test_a_duration_is_finite_and_not_negative(value: Any) -> None:
    with pytest.raises(UsageError, match="expected must be 0 or more seconds"):
        seconds(value, "expected")


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 999))
def test_a_compound_text_is_the_sum_of_its_parts(h: int, m: int, s: int, ms: int) -> None:
    wanted = timedelta(hours=h, minutes=m, seconds=s, milliseconds=ms).total_seconds()
    assert seconds(f"{h}h{m}m{s}s{ms}ms") == pytest.approx(wanted)
    assert seconds(f"{h}h {m}m {s}s {ms}ms") == pytest.approx(wanted)


@given(st.floats(0, 1e9) | st.integers(0, 10**9))
def test_a_number_of_seconds_stays_what_it_is(value: float) -> None:
    assert seconds(value) == value
    assert type(seconds(value)) is float


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_usage_error(text: str) -> None:
    try:
        assert 0 <= seconds(text, "timeout") < math.inf
    except UsageError:
        pass


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0, 0.0),
        (2, 2.0),
        (0.5, 0.5),
        ("2", 2.0),
        ("2GB", 2e9),
        ("1.5 gb", 1.5e9),
        ("512MiB", 2.0**29),
        ("1TiB", 2.0**40),
        ("7 B", 7.0),
        ("3kb", 3000.0),
    ],
)
def test_amounts(value: Any, wanted: float) -> None:
    assert amount(value) == wanted


@pytest.mark.parametrize("value", [True, None, [1], 1j])
def test_an_amount_of_a_wrong_type(value: Any) -> None:
    with pytest.raises(WrongType, match=r"needs\['cpu'\] must be a number"):
        amount(value, "needs['cpu']")


@pytest.mark.parametrize("value", ["", "GB", "2 loaves", "-1", "1GBB", "2,5GB"])
def test_a_text_that_is_no_amount(value: str) -> None:
    with pytest.raises(UsageError, match=r"memory .* is not an amount"):
        amount(value, "memory")


@pytest.mark.parametrize("value", [-1, -0.5, math.nan])
def test_an_amount_is_not_negative(value: float) -> None:
    with pytest.raises(UsageError, match="cpu must be 0 or more"):
        amount(value, "cpu")


@given(st.text(max_size=12))
def test_any_text_is_an_amount_or_a_usage_error(text: str) -> None:
    try:
        assert amount(text) >= 0
    except UsageError:
        pass


# -- Retry -------------------------------------------------------------------------------------

JITTERS = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("retry", "wanted"),
    [
        (Retry(3), [0, 0, 0]),
        (Retry(3, 2), [2, 2, 2]),
        (Retry(3, "250ms"), [0.25, 0.25, 0.25]),
        (Retry(3, timedelta(seconds=1)), [1, 1, 1]),
        (Retry(4, "linear", base=2), [2, 4, 6, 8]),
        (Retry(4, "exponential", base="500ms"), [0.5, 1, 2, 4]),
        (Retry(4, "exponential", cap=3), [1, 2, 3, 3]),
        (Retry(4, "linear", cap="2s"), [1, 2, 2, 2]),
        (Retry(3, lambda failed: failed * 10), [10, 20, 30]),
        (Retry(3, lambda failed: failed * 10, cap=15), [10, 15, 15]),
        (Retry(2, lambda failed: -5.0), [0, 0]),
        (Retry(2, 10, cap=3), [3, 3]),
    ],
)
def test_delays_without_jitter(retry: Retry, wanted: list[float]) -> None:
    assert [retry.delay(number + 1, 0.0) for number in range(len(wanted))] == wanted


@given(
    st.sampled_from(["linear", "exponential"]),
    st.integers(1, 200),
    st.floats(0, 100),
    st.floats(0, 1000),
    st.floats(0, 1),
    JITTERS,
)
def test_a_growing_delay_stays_between_its_bounds(
    backoff: str, failed: int, base: float, cap: float, jitter: float, drawn: float
) -> None:
    retry = Retry(5, backoff, base=base, cap=cap, jitter=jitter)
    factor = failed if backoff == "linear" else 2.0 ** min(failed - 1, 60)
    longest = min(base * factor, cap)
    delay = retry.delay(failed, drawn)
    assert 0 <= delay <= longest
    assert delay >= longest * (1 - jitter) - 1e-9
    assert retry.delay(failed + 1, 0.0) >= retry.delay(failed, 0.0), "it never shrinks"


@given(st.floats(0, 3000), JITTERS, st.integers(1, 1000))
def test_a_fixed_delay_is_the_same_every_time(backoff: float, drawn: float, failed: int) -> None:
    assert Retry(3, backoff).delay(failed, drawn) == backoff


def test_a_very_late_attempt_does_not_overflow() -> None:
    assert Retry(10_000, "exponential", cap="1h").delay(5_000, 0.0) == 3600.0


class Refused(Exception):
    pass


@pytest.mark.parametrize(
    ("on", "error", "wanted"),
    [
        (Exception, ValueError(), True),
        (Exception, TimedOut(), True),
        (Exception, SystemExit(), False),
        (Exception, KeyboardInterrupt(), False),
        (BaseException, SystemExit(), True),
        (ValueError, KeyError(), False),
        ((ValueError, KeyError), KeyError(), True),
        ((ValueError, KeyError), OSError(), False),
        ((), ValueError(), False),
        (lambda error: isinstance(error, Refused), Refused(), True),
        (lambda error: isinstance(error, Refused), ValueError(), False),
        (lambda error: "truthy", ValueError(), True),
    ],
)
def test_which_failures_are_tried_again(on: Any, error: BaseException, wanted: bool) -> None:
    assert Retry(1, on=on).wants(error) is wanted


@pytest.mark.parametrize("n", [True, 1.5, "3", None])
def test_tries_are_a_whole_number(n: Any) -> None:
    with pytest.raises(WrongType, match="Retry: n must be an int"):
        Retry(n)


@pytest.mark.parametrize("on", [5, "ValueError", [ValueError], (ValueError, 5), int, (int,)])
def test_on_is_an_exception_class_a_tuple_or_a_callable(on: Any) -> None:
    with pytest.raises(WrongType, match="Retry: on must be"):
        Retry(1, on=on)


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((-1,), {}, "Retry: n must be 0 or more"),
        ((1, -1), {}, "Retry: backoff must be 0 or more"),
        ((1, "slowly"), {}, "Retry: backoff 'slowly' is not a duration"),
        ((1,), {"base": -1}, "Retry: base must be 0 or more"),
        ((1,), {"cap": "x"}, "Retry: cap 'x' is not a duration"),
        ((1,), {"jitter": 2}, "Retry: jitter must be between 0 and 1"),
        ((1,), {"jitter": -0.1}, "Retry: jitter must be between 0 and 1"),
        ((1,), {"jitter": math.nan}, "Retry: jitter must be between 0 and 1"),
    ],
)
def test_a_retry_that_cannot_be(arguments: Any, options: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        Retry(*arguments, **options)


def test_a_retry_shows_itself() -> None:
    assert repr(Retry(3, "linear")) == "Retry(3, backoff='linear')"
