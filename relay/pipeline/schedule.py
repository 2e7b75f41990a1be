"""When the next attempt comes: pure arithmetic, with the time and the random number as arguments."""

from relay.model import Schedule

LONGEST_RETRY_AFTER = 24 * 3600.0
"""Seconds; an endpoint may not ask for a longer pause."""


def next_delay(
    schedule: Schedule,
    *,
    charged: int,
    elapsed: float,
    not_before: float = 0.0,
    random: float = 0.5,
) -> float | None:
    """Return the seconds from the end of a failed attempt to the next one, or None if that was the last.

    Args:
        schedule: The endpoint's.
        charged: Attempts charged in this window, the failed one included; 1 or more.
        elapsed: Seconds from the start of the window's first charged attempt to now.
        not_before: Seconds that the endpoint asked for (Retry-After); honoured up to 24 h and the time left.
        random: Drawn from [0, 1); 0.5 is no jitter.
    """
    asked = min(max(not_before, 0.0), LONGEST_RETRY_AFTER)
    if schedule.delays:
        if charged > len(schedule.delays):
            return None
        return max(_jittered(schedule.delays[charged - 1].total_seconds(), schedule, random), asked)
    max_age = schedule.max_age.total_seconds()
    left = max_age - elapsed
    # The attempt at the mark begins a hair early or late by the clocks; it is the last one either way.
    if left <= min(1.0, max_age * 0.001):
        return None
    delay = max(_jittered(_backoff(schedule, charged), schedule, random), asked)
    return min(delay, left)


def _backoff(schedule: Schedule, charged: int) -> float:
    longest = schedule.max_delay.total_seconds()
    try:
        return min(schedule.base.total_seconds() * schedule.factor ** (charged - 1), longest)
    except OverflowError:
        return longest


def _jittered(delay: float, schedule: Schedule, random: float) -> float:
    return delay * (1.0 + schedule.jitter * (2.0 * random - 1.0))
