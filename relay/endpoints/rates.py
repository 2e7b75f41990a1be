"""How many requests a second an endpoint may get: a token bucket for each that has a limit.

What is over the limit stays due: it is claimed later, and no attempt is charged. Tokens are spent on claims, so no task
waits for one; new events of such an endpoint are not leased at fan-out, or they would overtake what waits already.
"""

import time
from collections.abc import Callable
from uuid import UUID

from relay.endpoints.endpoint import Endpoint

BURST = 0.25
"""Seconds' worth of requests that may go out at once, after a rest; at least one request."""
LUMP = 0.5
"""Part of that which is waited for before the database is asked: a claim for each request would cost more than it."""
SHORTEST_WAIT = 0.001
_HAIR = 1e-6
"""Of a token: what adding up fractions may lose."""


class Bucket:
    """Tokens that fill up with time. Times are monotonic seconds.

    Args:
        rate: Tokens a second.
        now: It is full then.
    """

    __slots__ = ("_at", "_most", "_tokens", "rate")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._most = self._tokens = max(rate * BURST, 1.0)
        self._at = now

    def whole(self, now: float) -> int:
        """Return how many may be spent now."""
        self._fill(now)
        return int(self._tokens + _HAIR)

    def spend(self, count: int) -> None:
        """Take so many out; no more than `whole` said."""
        self._tokens -= count

    def wait(self, now: float) -> float:
        """Return the seconds until it is worth to spend some; 0 if it is now."""
        self._fill(now)
        missing = max(self._most * LUMP, 1.0) - self._tokens
        return max(missing / self.rate, SHORTEST_WAIT) if missing > _HAIR else 0.0

    def _fill(self, now: float) -> None:
        self._tokens = min(self._tokens + max(now - self._at, 0.0) * self.rate, self._most)
        self._at = now


class RateLimits:
    """The buckets of all endpoints that have a limit.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[UUID, Bucket] = {}

    def wait(self, endpoint: Endpoint) -> float:
        """Return the seconds until it is worth to claim for an endpoint; 0 without a limit."""
        rate = endpoint.rate_limit
        return 0.0 if rate is None else self._bucket(endpoint, rate).wait(self._clock())

    def at_most(self, room: int, endpoint: Endpoint) -> int:
        """Return `room`, or less if its limit does not allow for so many requests now."""
        rate = endpoint.rate_limit
        return room if rate is None else min(room, self._bucket(endpoint, rate).whole(self._clock()))

    def spend(self, endpoint_id: UUID, count: int) -> None:
        """Note that so many deliveries of an endpoint were claimed."""
        bucket = self._buckets.get(endpoint_id)
        if bucket is not None:
            bucket.spend(count)

    def forget(self, endpoint_id: UUID) -> None:
        """Forget an endpoint that is gone."""
        self._buckets.pop(endpoint_id, None)

    def _bucket(self, endpoint: Endpoint, rate: float) -> Bucket:
        bucket = self._buckets.get(endpoint.id)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[endpoint.id] = Bucket(rate, self._clock())
        return bucket
