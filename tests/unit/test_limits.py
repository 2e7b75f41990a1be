import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.endpoints.limits import MOST, START, grown, is_silent, only_fails, quarter, slowest


@pytest.mark.parametrize(("successes", "allowed"), [(0, 4), (1, 8), (2, 16), (3, 32), (5, 128)])
def test_each_success_doubles_what_may_be_in_flight(successes: int, allowed: int) -> None:
    assert grown(START, successes) == allowed


@given(st.integers(1, MOST), st.lists(st.integers(0, 1000), max_size=20))
def test_it_does_not_matter_in_which_batches_the_successes_come(allowed: int, batches: list[int]) -> None:
    one_by_one = allowed
    for batch in batches:
        one_by_one = grown(one_by_one, batch)

    assert one_by_one == grown(allowed, sum(batches))
    assert one_by_one <= MOST


@pytest.mark.parametrize(
    ("quiet", "pace", "silent"),
    [(1.9, 0.005, False), (2.1, 0.005, True), (25.0, 10.0, False), (31.0, 10.0, True)],
)
def test_an_endpoint_is_silent_when_it_is_quiet_for_much_longer_than_its_answers_take(
    quiet: float, pace: float, *, silent: bool
) -> None:
    assert is_silent(quiet, pace) is silent


@pytest.mark.parametrize(
    ("since", "pace", "fails"),
    [(9.0, 0.005, False), (11.0, 0.005, True), (15.0, 10.0, False), (21.0, 10.0, True)],
)
def test_one_success_speaks_for_an_endpoint_for_a_while_longer_if_it_is_slow(
    since: float, pace: float, *, fails: bool
) -> None:
    assert only_fails(since, pace) is fails


def test_a_slow_answer_is_remembered_for_some_batches() -> None:
    pace = slowest(0.0, 10.0)
    assert pace == 10.0
    for _ in range(10):
        pace = slowest(pace, 0.01)
    assert 3.0 < pace < 4.0
    for _ in range(90):
        pace = slowest(pace, 0.01)
    assert pace == 0.01


def test_a_quarter_of_few_slots_may_be_none() -> None:
    assert [quarter(total) for total in (1, 3, 4, 2000)] == [0, 0, 1, 500]
