from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Schedule
from relay.pipeline.schedule import LONGEST_RETRY_AFTER, next_delay

DEFAULT = Schedule()
EXACT = replace(DEFAULT, jitter=0.0)
MARKS = [0, 5, 30, 155, 780, 3905, 19530, 62730, 105930, 149130, 192330, 235530, 259200]

durations = st.timedeltas(timedelta(milliseconds=1), timedelta(days=30))
schedules = st.builds(
    Schedule,
    base=durations,
    factor=st.floats(1, 1000),
    max_delay=durations,
    max_age=durations,
    jitter=st.floats(0, 1),
)
listed = st.builds(Schedule, jitter=st.floats(0, 1), delays=st.lists(durations, min_size=1).map(tuple))
counts = st.integers(1, 100_000)
seconds = st.floats(-1e6, 1e9)
randoms = st.floats(0, 1, exclude_max=True)


def marks_of(schedule: Schedule, *, most: int = 1000) -> list[float]:
    """Return when the attempts of a delivery begin that fails at once each time."""
    marks = [0.0]
    while len(marks) < most:
        delay = next_delay(schedule, charged=len(marks), elapsed=marks[-1])
        if delay is None:
            return marks
        marks.append(marks[-1] + delay)
    raise AssertionError(f"no end after {most} attempts")


def test_the_default_makes_thirteen_attempts_at_their_marks() -> None:
    assert marks_of(EXACT) == pytest.approx(MARKS)


def test_the_same_schedule_on_another_scale_makes_the_same_attempts() -> None:
    small = Schedule(
        base=DEFAULT.base * 1e-4, max_delay=DEFAULT.max_delay * 1e-4, max_age=DEFAULT.max_age * 1e-4, jitter=0
    )

    assert marks_of(small) == pytest.approx([mark * 1e-4 for mark in MARKS])


def test_jitter_changes_a_delay_by_at_most_its_share() -> None:
    delays = [next_delay(DEFAULT, charged=1, elapsed=0, random=random) for random in (0.0, 0.5, 0.999999)]

    assert delays == pytest.approx([4.0, 5.0, 6.0], rel=1e-4)


def test_a_list_of_delays_replaces_base_and_factor() -> None:
    schedule = Schedule(delays=(timedelta(seconds=1), timedelta(hours=100)), jitter=0)

    assert marks_of(schedule) == [0, 1, 1 + 360_000]


def test_a_pause_that_the_endpoint_asked_for_is_kept() -> None:
    assert next_delay(EXACT, charged=1, elapsed=0, not_before=3600) == 3600


def test_a_pause_never_lasts_longer_than_a_day() -> None:
    assert next_delay(EXACT, charged=1, elapsed=0, not_before=1e9) == LONGEST_RETRY_AFTER


def test_a_pause_never_reaches_past_the_window() -> None:
    assert next_delay(EXACT, charged=1, elapsed=259_200 - 60, not_before=3600) == 60


@given(schedules, counts, seconds, st.floats(0, 1e9), randoms)
def test_every_failure_is_followed_by_an_attempt_in_the_window_or_by_none(
    schedule: Schedule, charged: int, elapsed: float, asked: float, random: float
) -> None:
    delay = next_delay(schedule, charged=charged, elapsed=elapsed, not_before=asked, random=random)
    left = schedule.max_age.total_seconds() - elapsed

    if delay is None:
        assert left <= 1.0
    else:
        assert 0 <= delay <= left


@given(schedules | listed, counts, seconds, st.floats(0, 1e9), randoms)
def test_no_attempt_comes_before_the_pause_is_over(
    schedule: Schedule, charged: int, elapsed: float, asked: float, random: float
) -> None:
    delay = next_delay(schedule, charged=charged, elapsed=elapsed, not_before=asked, random=random)
    left = float("inf") if schedule.delays else schedule.max_age.total_seconds() - elapsed

    assert delay is None or delay >= min(asked, LONGEST_RETRY_AFTER, left)


@given(schedules, counts)
def test_delays_grow_up_to_their_cap(schedule: Schedule, charged: int) -> None:
    forever = replace(schedule, max_age=timedelta(days=36500))
    shorter = next_delay(forever, charged=charged, elapsed=0)
    longer = next_delay(forever, charged=charged + 1, elapsed=0)

    assert shorter is not None
    assert longer is not None
    assert shorter <= longer <= schedule.max_delay.total_seconds()


@given(listed, randoms)
def test_a_list_ends_after_its_last_delay(schedule: Schedule, random: float) -> None:
    count = len(schedule.delays)

    assert next_delay(schedule, charged=count, elapsed=0, random=random) is not None
    assert next_delay(schedule, charged=count + 1, elapsed=0, random=random) is None
