"""When alerts are raised and cleared, on a simulated clock."""

from hypothesis import given
from hypothesis import strategies as st

from relay.alerts.rules import Latch, Rate, RateRules, State, judge_age, judge_rate

RULES = RateRules(min_ratio=0.95, min_deliveries=20, window=300.0)
LONG = 1000.0
STEP = 10.0


def judged(delivered: int, failing: int, *, watched_for: float = LONG, is_broken: bool = False) -> State:
    return judge_rate(Rate(delivered, failing), RULES, watched_for=watched_for, is_broken=is_broken)


def story(states: list[State], *, calm: float = RULES.calm, step: float = STEP) -> list[tuple[int, bool]]:
    """Return at which of these looks, so many seconds apart, an alert was raised or cleared."""
    latch, changes = Latch(), []
    for number, state in enumerate(states):
        before = latch.is_raised
        if latch.note(state, number * step, calm=calm) != before:
            changes.append((number, latch.is_raised))
    return changes


def test_less_than_the_limit_is_bad_and_the_limit_itself_is_not() -> None:
    assert judged(94, 6) is State.BAD
    assert judged(95, 5) is State.BETWEEN


def test_a_few_that_fail_of_a_few_are_not_bad() -> None:
    assert judged(2, 3) is not State.BAD
    assert judged(0, 19) is not State.BAD
    assert judged(0, 20) is State.BAD


def test_well_is_above_the_margin() -> None:
    assert judged(959, 41) is State.BETWEEN
    assert judged(960, 40) is State.WELL


def test_nothing_to_deliver_is_well_once_a_window_was_watched() -> None:
    assert judged(0, 0, watched_for=299.0) is State.BETWEEN
    assert judged(0, 0, watched_for=300.0) is State.WELL


def test_a_few_that_fail_are_not_well() -> None:
    assert judged(2, 3) is State.BETWEEN


def test_many_that_succeed_are_well_however_short_the_watch() -> None:
    assert judged(100, 0, watched_for=1.0) is State.WELL


def test_nothing_is_well_while_a_breaker_is_open() -> None:
    assert judged(0, 0, is_broken=True) is State.BETWEEN
    assert judged(1000, 0, is_broken=True) is State.BETWEEN
    assert judged(0, 20, is_broken=True) is State.BAD


def test_a_limit_of_one_can_be_cleared_and_one_of_zero_raises_nothing() -> None:
    strict = RateRules(min_ratio=1.0, min_deliveries=1, window=300.0)
    never = RateRules(min_ratio=0.0, min_deliveries=1, window=300.0)

    assert judge_rate(Rate(9, 1), strict, watched_for=LONG, is_broken=False) is State.BAD
    assert judge_rate(Rate(9, 0), strict, watched_for=LONG, is_broken=False) is State.WELL
    assert judge_rate(Rate(0, 9), never, watched_for=LONG, is_broken=False) is not State.BAD


def test_an_alert_is_raised_at_once_and_cleared_after_a_minute_of_calm() -> None:
    assert story([State.WELL, State.BAD, *[State.WELL] * 10]) == [(1, True), (8, False)]


def test_calm_that_is_broken_begins_anew() -> None:
    states = [State.BAD, *[State.WELL] * 5, State.BETWEEN, *[State.WELL] * 10]

    assert story(states) == [(0, True), (13, False)]


def test_a_rate_that_hovers_at_the_limit_raises_once_and_does_not_flap() -> None:
    hovering = [judged(949 + 2 * (number % 2), 51 - 2 * (number % 2)) for number in range(1000)]

    assert set(hovering) == {State.BAD, State.BETWEEN}
    assert story(hovering) == [(0, True)]


def test_a_rate_that_touches_well_for_a_moment_does_not_flap() -> None:
    states = [judged(970, 30) if number % 5 else judged(940, 60) for number in range(1000)]

    assert set(states) == {State.BAD, State.WELL}
    assert story(states) == [(0, True)]


@given(st.lists(st.sampled_from(State), max_size=200))
def test_between_raising_and_clearing_lies_calm_and_between_clearing_and_raising_something_bad(
    states: list[State],
) -> None:
    for number, is_raised in story(states):
        if is_raised:
            assert states[number] is State.BAD
        else:
            first = number - int(RULES.calm / STEP)
            assert states[first : number + 1] == [State.WELL] * (number + 1 - first)


def test_an_age_clears_below_the_limit_only() -> None:
    assert judge_age(3601.0, 3600.0) is State.BAD
    assert judge_age(3600.0, 3600.0) is State.BETWEEN
    assert judge_age(2800.0, 3600.0) is State.WELL
