"""Which endpoints have due work, in memory: the database is asked only when something is due."""

import asyncio
import heapq
import time
from collections.abc import Callable
from uuid import UUID


class DueTimes:
    """When each endpoint next has due work, by the monotonic clock; the earliest first.

    Args:
        changed: Set whenever something was noted.
        clock: Seconds.
    """

    def __init__(self, *, changed: asyncio.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = changed
        self._at: dict[UUID, float] = {}
        self._heap: list[tuple[float, UUID]] = []

    def note(self, endpoint_id: UUID, delay: float) -> None:
        """Note that an endpoint has work in `delay` seconds, unless it has some earlier."""
        at = self._clock() + max(delay, 0.0)
        if at < self._at.get(endpoint_id, float("inf")):
            self._at[endpoint_id] = at
            heapq.heappush(self._heap, (at, endpoint_id))
            self._changed.set()

    def look_again(self) -> None:
        """Have whoever waits look at what it knew to be due already: it may be able to do more with it now."""
        self._changed.set()

    def take_due(self) -> list[UUID]:
        """Return the endpoints with due work, and forget them."""
        due = []
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            at, endpoint_id = heapq.heappop(self._heap)
            if self._at.get(endpoint_id) == at:
                del self._at[endpoint_id]
                due.append(endpoint_id)
        return due

    def delay(self) -> float | None:
        """Return the seconds until the earliest, or None."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return max(self._heap[0][0] - self._clock(), 0.0) if self._heap else None
