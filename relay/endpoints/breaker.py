"""When an endpoint that fails is left alone, and for how long. Pure: the time is an argument."""

from dataclasses import dataclass
from typing import Literal

BUCKETS = 10
"""Parts of the window that are forgotten one at a time."""

BreakerState = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """The settings of the section `[breaker]`; durations in seconds."""

    enabled: bool
    failure_ratio: float
    min_attempts: int
    window: float
    open_for: float
    max_open_for: float


class Counts:
    """Successes and failures of the last while, in a ring of buckets: the memory is fixed, adding is O(1).

    Attributes:
        successes: All that the ring holds.
        failures: The same.
    """

    __slots__ = ("_failures", "_newest", "_successes", "failures", "successes")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._successes = [0] * BUCKETS
        self._failures = [0] * BUCKETS
        self._newest = 0
        self.successes = 0
        self.failures = 0

    def add(self, bucket: int, successes: int, failures: int) -> None:
        """Add to the bucket of this number; those that are `BUCKETS` or more older are forgotten."""
        if bucket != self._newest:
            self._advance(bucket)
        place = bucket % BUCKETS
        self._successes[place] += successes
        self._failures[place] += failures
        self.successes += successes
        self.failures += failures

    def _advance(self, bucket: int) -> None:
        steps = bucket - self._newest
        if not 0 <= steps < BUCKETS:
            self.forget()
            steps = 0
        for place in range(self._newest + 1, self._newest + steps + 1):
            self.successes -= self._successes[place % BUCKETS]
            self.failures -= self._failures[place % BUCKETS]
            self._successes[place % BUCKETS] = self._failures[place % BUCKETS] = 0
        self._newest = bucket


class Breaker:
    """What is known of one endpoint's failures.

    Closed, it counts, and opens when too many of the last attempts failed. Open, it hears nothing: what comes then was
    sent before. Half open, it waits for the outcome of one probe, which closes it, or opens it for twice as long.

    Attributes:
        state: As the database calls it.
        until: While it is open: when that ends, monotonic.
        opened_at: When it was last closed until.
        has_place: While it is open: `until` is its place among the probes of all endpoints.
    """

    __slots__ = ("_counts", "_seconds", "has_place", "opened_at", "state", "until")

    def __init__(self) -> None:
        self._counts = Counts()
        self._seconds = 0.0
        self.state: BreakerState = "closed"
        self.until = 0.0
        self.opened_at = 0.0
        self.has_place = False

    def note(self, now: float, successes: int, failures: int, rules: BreakerRules) -> bool:
        """Take note of outcomes that came together; returns whether that opened or closed it."""
        if self.state == "closed":
            self._counts.add(int(now * BUCKETS / rules.window), successes, failures)
            if failures and rules.enabled and self._is_too_much(rules):
                self.open(now, rules.open_for)
                return True
        elif self.state == "half_open":
            if successes:
                self.close()
            else:
                self.open(now, min(self._seconds * 2, rules.max_open_for))
            return True
        return False

    def open(self, now: float, seconds: float) -> None:
        """Leave the endpoint alone for so long."""
        if self.state == "closed":
            self.opened_at = now
        self.state = "open"
        self.until = now + seconds
        self.has_place = False
        self._seconds = seconds

    def remember(self, now: float, left: float, rules: BreakerRules) -> None:
        """Be open, as another process left it, for `left` seconds more."""
        self.open(now, left)
        self._seconds = min(max(left, rules.open_for), rules.max_open_for)

    def let_probe(self) -> None:
        """Let one attempt through."""
        self.state = "half_open"

    def close(self) -> None:
        """Forget all failures."""
        self.state = "closed"
        self._counts.forget()

    def _is_too_much(self, rules: BreakerRules) -> bool:
        attempts = self._counts.successes + self._counts.failures
        return attempts >= rules.min_attempts and self._counts.failures >= rules.failure_ratio * attempts
