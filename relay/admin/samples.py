"""What this process did in the last minutes: a few numbers every few seconds, in a ring that never grows."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from relay.observe.readings import Readings

EVERY = 5.0
"""Seconds from one sample to the next."""
KEPT = 121
"""Samples: ten minutes of them, and one to measure the first from."""
LATELY = 30.0
"""Seconds that the rate of now is measured over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was counted up to a moment.

    Attributes:
        at: Monotonic seconds.
        delivered: Deliveries that succeeded.
        attempts: Requests whose outcome is recorded.
        failed: Those of them that did not deliver.
        in_flight: Deliveries in hand at the moment.
    """

    at: float
    delivered: int
    attempts: int
    failed: int
    in_flight: int


class Samples:
    """Keeps them.

    Args:
        readings: Where the numbers are.
        clock: Monotonic seconds.
    """

    def __init__(self, readings: Readings, clock: Callable[[], float] = time.monotonic) -> None:
        self._readings = readings
        self._clock = clock
        self._kept: deque[Sample] = deque(maxlen=KEPT)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Take one now, and another every few seconds."""
        self.take()
        self._timer = asyncio.get_running_loop().call_later(EVERY, self.start)

    def stop(self) -> None:
        """Take no more."""
        if self._timer is not None:
            self._timer.cancel()

    def take(self) -> None:
        """Take one."""
        self._kept.append(self._now())

    def rates(self, counted: str) -> list[float]:
        """Return how many a second there were of `delivered`, `attempts` or `failed`, from ten minutes ago."""
        return [_rate(counted, before, after) for before, after in pairwise(self._kept)]

    def in_flight(self) -> Sequence[int]:
        """Return how many deliveries were in hand, from ten minutes ago."""
        return [each.in_flight for each in self._kept]

    def lately(self, counted: str) -> float:
        """Return how many a second there were in the last half minute."""
        now = self._now()
        first = next((each for each in self._kept if each.at >= now.at - LATELY), now)
        return _rate(counted, first, now)

    def _now(self) -> Sample:
        attempts = self._readings.tally.attempts
        return Sample(
            at=self._clock(),
            delivered=self._readings.tally.deliveries["delivered"],
            attempts=sum(attempts.values()),
            failed=attempts["retrying"] + attempts["dead"],
            in_flight=self._readings.in_flight(),
        )


def _rate(counted: str, before: Sample, after: Sample) -> float:
    seconds = after.at - before.at
    return (getattr(after, counted) - getattr(before, counted)) / seconds if seconds > 0 else 0.0
