"""When a handler that failed is called again."""

from datetime import timedelta

import pytest

from relay.receiver.retrying import Retry, delay_after

EVEN = 0.5
"""The random number that leaves a delay as it is."""


def test_each_delay_is_longer_by_the_factor_until_the_longest() -> None:
    retry = Retry(base=timedelta(seconds=5), factor=3, max_delay=timedelta(seconds=100), max_attempts=9)
    delays = [delay_after(retry, failures, EVEN) for failures in range(1, 7)]

    assert delays == [timedelta(seconds=seconds) for seconds in (5, 15, 45, 100, 100, 100)]


def test_the_last_failure_is_the_end() -> None:
    assert delay_after(Retry(max_attempts=3), 2, EVEN) is not None
    assert delay_after(Retry(max_attempts=3), 3, EVEN) is None


def test_the_jitter_goes_both_ways() -> None:
    retry = Retry(base=timedelta(seconds=10), jitter=0.2)

    assert delay_after(retry, 1, 0.0) == timedelta(seconds=8)
    assert delay_after(retry, 1, 1.0) == timedelta(seconds=12)


def test_a_great_number_of_failures_costs_and_overflows_nothing() -> None:
    retry = Retry(max_attempts=10**9, max_delay=timedelta(hours=1), jitter=0)

    assert delay_after(retry, 10**8, EVEN) == timedelta(hours=1)


@pytest.mark.parametrize(
    "wrong", [{"factor": 0.5}, {"max_attempts": 0}, {"jitter": 1.0}, {"base": timedelta(-1)}]
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="max_attempts"):
        Retry(**wrong)  # type: ignore[arg-type]
