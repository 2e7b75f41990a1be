import math
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.observe import success
from relay.observe.success import SLOT, WINDOWS, Blocked, SuccessRate

WINDOW = 300.0
HERE, THERE = UUID(int=1), UUID(int=2)


def test_without_deliveries_there_is_no_ratio() -> None:
    assert math.isnan(SuccessRate().ratio(WINDOW, 0.0))


def test_what_fails_counts_once_however_often_it_fails() -> None:
    rate = SuccessRate()
    rate.delivered(3, 0.0)
    for now in (0.0, 5.0, 30.0):
        rate.failed(7, HERE, now)

    assert rate.ratio(WINDOW, 30.0) == 3 / 4


def test_what_fails_and_then_succeeds_is_delivered() -> None:
    rate = SuccessRate()
    rate.failed(7, HERE, 0.0)
    rate.recovered(7)
    rate.delivered(1, 20.0)

    assert rate.ratio(WINDOW, 20.0) == 1.0


def test_what_happened_before_the_window_does_not_count() -> None:
    rate = SuccessRate()
    rate.failed(7, HERE, 0.0)
    rate.delivered(1, 200.0)

    assert rate.ratio(WINDOW, WINDOW) == 1 / 2
    assert rate.ratio(WINDOW, WINDOW + SLOT) == 1.0
    assert rate.ratio(WINDOWS["1h"], WINDOW + SLOT) == 1 / 2


def test_what_is_in_no_window_any_more_takes_no_memory() -> None:
    rate = SuccessRate()
    for key in range(100):
        rate.failed(key, HERE, 0.0)

    assert math.isnan(rate.ratio(WINDOW, 2 * WINDOWS["1h"]))
    assert not rate._failing
    assert not rate._slots


def test_failing_deliveries_beyond_the_limit_are_counted_by_the_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(success, "MOST_FAILING", 2)
    rate = SuccessRate()
    rate.delivered(4, 0.0)
    for key in (1, 2, 3, 3, 1):
        rate.failed(key, HERE, 0.0)

    assert rate.ratio(WINDOW, 0.0) == 4 / (4 + 2 + 2)
    assert len(rate._failing) == 2


def test_what_fails_is_known_by_endpoint() -> None:
    rate = SuccessRate()
    rate.delivered(10, 0.0)
    for key, endpoint_id in ((1, HERE), (2, HERE), (3, THERE), (4, THERE)):
        rate.failed(key, endpoint_id, 0.0)
    rate.recovered(4)

    assert rate.failing(WINDOW, 0.0) == {HERE: 2, THERE: 1}
    assert rate.counts(WINDOW, 0.0) == (10, 3)


def test_what_is_due_behind_a_breaker_fails_and_is_counted_once() -> None:
    rate = SuccessRate()
    for key in range(10):
        rate.failed(key, HERE, 0.0)
    rate.blocked = {HERE: Blocked(untried=5, tried=4), THERE: Blocked(untried=0, tried=3)}

    assert rate.failing(WINDOW, 0.0) == {HERE: 15, THERE: 3}
    assert rate.failing(WINDOW, 10 * WINDOW) == {HERE: 9, THERE: 3}


def test_an_endpoint_that_is_left_out_is_forgotten_with_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(success, "MOST_FAILING", 3)
    rate = SuccessRate()
    for key, endpoint_id in enumerate((HERE, HERE, THERE, HERE, THERE)):
        rate.failed(key, endpoint_id, 0.0)
    rate.leave_out({HERE})

    assert rate.failing(WINDOW, 0.0) == {THERE: 2}
    assert len(rate._failing) == 1
    rate.recovered(0)
    rate.failed(0, HERE, 0.0)
    assert rate.failing(WINDOW, 0.0) == {HERE: 1, THERE: 2}


def test_shorter_slots_make_a_shorter_window_exact() -> None:
    rate = SuccessRate()
    rate.slot = 0.1
    rate.failed(7, HERE, 0.0)
    rate.delivered(1, 2.0)

    assert rate.ratio(3.0, 2.0) == 1 / 2
    assert rate.ratio(3.0, 3.1) == 1.0


Step = tuple[int, int, bool]
STEPS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5), st.booleans()), max_size=60)


@given(STEPS)
def test_the_ratio_is_that_of_the_definition(steps: list[Step]) -> None:
    rate = SuccessRate()
    now, log = 0.0, []
    delivered_once: set[int] = set()
    for wait, key, is_delivered in steps:
        now += wait * SLOT
        if key in delivered_once:
            continue
        if is_delivered:
            delivered_once.add(key)
            rate.recovered(key)
            rate.delivered(1, now)
        else:
            rate.failed(key, HERE, now)
        log.append((now, key, is_delivered))

    for window in WINDOWS.values():
        seen = [(key, good) for at, key, good in log if at > now - window - SLOT]
        delivered = {key for key, good in seen if good}
        failing = {key for key, good in seen if not good} - delivered
        if delivered or failing:
            assert rate.ratio(window, now) == len(delivered) / (len(delivered) + len(failing))
        else:
            assert math.isnan(rate.ratio(window, now))
