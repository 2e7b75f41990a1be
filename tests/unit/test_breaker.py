from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import Settings
from relay.endpoints.breaker import BUCKETS, Breaker, BreakerRules, Counts
from relay.endpoints.defaults import breaker_rules_of

RULES = breaker_rules_of(Settings())
NOW = 1_000_000.0


def opened(*, at: float = NOW, rules: BreakerRules = RULES) -> Breaker:
    breaker = Breaker()
    assert breaker.note(at, 0, rules.min_attempts, rules)
    return breaker


@pytest.mark.parametrize(
    ("successes", "failures", "state"),
    [
        (0, 9, "closed"),
        (0, 10, "open"),
        (3, 7, "open"),
        (4, 7, "closed"),
        (300, 699, "closed"),
        (300, 700, "open"),
        (10, 0, "closed"),
    ],
)
def test_it_opens_when_seven_in_ten_of_at_least_ten_attempts_failed(
    successes: int, failures: int, state: str
) -> None:
    breaker = Breaker()

    turned = breaker.note(NOW, successes, failures, RULES)

    assert (breaker.state, turned) == (state, state == "open")


def test_what_was_before_the_window_does_not_count() -> None:
    breaker = Breaker()
    breaker.note(NOW, 1000, 0, RULES)

    assert not breaker.note(NOW + RULES.window, 0, 9, RULES)
    assert breaker.note(NOW + RULES.window, 0, 1, RULES)


def test_failures_that_are_far_apart_do_not_open_it() -> None:
    breaker = Breaker()
    for number in range(100):
        breaker.note(NOW + number * RULES.window / 9, 0, 1, RULES)

    assert breaker.state == "closed"


def test_while_it_is_open_nothing_that_comes_changes_it() -> None:
    breaker = opened()

    assert not breaker.note(NOW + 1, 5, 0, RULES)
    assert not breaker.note(NOW + 1, 0, 5, RULES)
    assert (breaker.state, breaker.until) == ("open", NOW + RULES.open_for)


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_the_longest() -> None:
    breaker = opened()
    seconds = []
    now = NOW
    for _ in range(7):
        now = breaker.until
        breaker.let_probe()
        assert breaker.note(now, 0, 1, RULES)
        seconds.append(breaker.until - now)

    assert seconds == [60, 120, 240, 480, 600, 600, 600]
    assert breaker.opened_at == NOW


def test_a_probe_that_goes_well_closes_it_and_all_is_forgotten() -> None:
    breaker = opened()
    breaker.let_probe()
    breaker.note(NOW + 30, 0, 1, RULES)
    breaker.let_probe()

    assert breaker.note(NOW + 90, 1, 0, RULES)
    assert breaker.state == "closed"
    assert not breaker.note(NOW + 91, 0, 9, RULES)
    assert breaker.note(NOW + 92, 0, 1, RULES)
    assert breaker.until == NOW + 92 + RULES.open_for


def test_what_another_process_left_open_stays_so_and_goes_on_doubling() -> None:
    breaker = Breaker()
    breaker.remember(NOW, 200.0, RULES)
    assert (breaker.state, breaker.until) == ("open", NOW + 200)

    breaker.let_probe()
    breaker.note(NOW + 200, 0, 1, RULES)
    assert breaker.until == NOW + 200 + 400


def test_a_switched_off_breaker_never_opens() -> None:
    rules = breaker_rules_of(Settings.model_validate({"breaker": {"enabled": False}}))
    breaker = Breaker()

    assert not breaker.note(NOW, 0, 1000, rules)
    assert breaker.state == "closed"


@given(
    st.lists(
        st.tuples(st.integers(0, BUCKETS + 3), st.integers(0, 9), st.integers(0, 9)),
        max_size=60,
    )
)
def test_the_ring_holds_what_the_last_buckets_got(script: list[tuple[int, int, int]]) -> None:
    counts = Counts()
    bucket = 5
    kept: deque[tuple[int, int, int]] = deque()
    for steps, successes, failures in script:
        bucket += steps
        counts.add(bucket, successes, failures)
        kept.append((bucket, successes, failures))
        alive = [each for each in kept if each[0] > bucket - BUCKETS]
        assert counts.successes == sum(each[1] for each in alive)
        assert counts.failures == sum(each[2] for each in alive)


def test_a_clock_that_goes_back_forgets_instead_of_counting_wrongly() -> None:
    counts = Counts()
    counts.add(100, 1, 1)
    counts.add(99, 0, 2)

    assert (counts.successes, counts.failures) == (0, 2)
