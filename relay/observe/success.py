"""The share of deliveries that succeed, over the last minutes, each delivery counted once."""

import math
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

WINDOWS = {"5m": 300.0, "1h": 3600.0}
"""Seconds of each window, by the name that users see."""
SLOT = 10.0
"""Seconds that are counted together; a window is longer by up to this."""
MOST_FAILING = 50_000
"""Failing deliveries that are told apart; what comes on top is counted by the attempt."""


class Blocked(NamedTuple):
    """Deliveries that are due while the breaker of their endpoint is open.

    Attributes:
        untried: They had no attempt yet.
        tried: They had, so that they may be among those whose attempt failed in the window.
    """

    untried: int
    tried: int


@dataclass(slots=True)
class _Slot:
    """What happened within ten seconds.

    Attributes:
        failing: Deliveries whose last failed attempt was then, and that were not delivered since, by endpoint.
        untold: Failed attempts of deliveries that there was no room to tell apart.
    """

    began: float
    delivered: int = 0
    failing: dict[UUID, set[int]] = field(default_factory=dict)
    untold: dict[UUID, int] = field(default_factory=dict)


class SuccessRate:
    """Delivered ÷ (delivered + failing): a delivery that fails and then succeeds within the window is delivered.

    It knows what this process recorded, and nothing from before its start. A delivery is known by the hash of its key,
    which keeps the memory small.

    Attributes:
        slot: Seconds that are counted together from now on.
        longest: Seconds of the longest window that is asked for.
        blocked: What is due behind open breakers, as far as somebody looked; it is failing too.
    """

    def __init__(self) -> None:
        self._slots: deque[_Slot] = deque()
        self._failing: dict[int, set[int]] = {}
        self.slot = SLOT
        self.longest = max(WINDOWS.values())
        self.blocked: Mapping[UUID, Blocked] = MappingProxyType({})

    def delivered(self, count: int, now: float) -> None:
        """Count deliveries that succeeded.

        Args:
            count: How many.
            now: Monotonic time.
        """
        self._slot(now).delivered += count

    def failed(self, key: int, endpoint_id: UUID, now: float) -> None:
        """Note that a charged attempt failed."""
        slot = self._slot(now)
        self.recovered(key)
        if len(self._failing) < MOST_FAILING:
            keys = slot.failing.get(endpoint_id)
            if keys is None:
                keys = slot.failing[endpoint_id] = set()
            keys.add(key)
            self._failing[key] = keys
        else:
            slot.untold[endpoint_id] = slot.untold.get(endpoint_id, 0) + 1

    def recovered(self, key: int) -> None:
        """Note that a delivery whose attempts failed before is failing no more."""
        keys = self._failing.pop(key, None)
        if keys is not None:
            keys.discard(key)

    def leave_out(self, endpoint_ids: Collection[UUID]) -> None:
        """Forget what fails at these endpoints: nothing is sent to them, on purpose."""
        for slot in self._slots:
            for endpoint_id in slot.failing.keys() & endpoint_ids:
                self._forget_keys(slot.failing.pop(endpoint_id))
            for endpoint_id in slot.untold.keys() & endpoint_ids:
                del slot.untold[endpoint_id]

    def ratio(self, window: float, now: float) -> float:
        """Return the share from 0 to 1 over the last `window` seconds; not a number if there was no delivery."""
        delivered, failing = self.counts(window, now)
        return delivered / (delivered + failing) if delivered + failing else math.nan

    def counts(self, window: float, now: float) -> tuple[int, int]:
        """Return how many deliveries were delivered, and how many are failing, over the last `window` seconds."""
        self._forget(now)
        delivered = sum(slot.delivered for slot in self._within(window, now))
        return delivered, sum(self.failing(window, now).values())

    def failing(self, window: float, now: float) -> dict[UUID, int]:
        """Return how many deliveries of each endpoint are failing, over the last `window` seconds."""
        failing: dict[UUID, int] = {}
        for slot in self._within(window, now):
            for endpoint_id, keys in slot.failing.items():
                if keys:
                    failing[endpoint_id] = failing.get(endpoint_id, 0) + len(keys)
            for endpoint_id, attempts in slot.untold.items():
                failing[endpoint_id] = failing.get(endpoint_id, 0) + attempts
        for endpoint_id, blocked in self.blocked.items():
            # Which of those that were tried are the same is not known; so many are surely different ones.
            failing[endpoint_id] = blocked.untried + max(blocked.tried, failing.get(endpoint_id, 0))
        return failing

    def _within(self, window: float, now: float) -> Iterator[_Slot]:
        return (slot for slot in self._slots if slot.began + self.slot > now - window)

    def _slot(self, now: float) -> _Slot:
        if not self._slots or now >= self._slots[-1].began + self.slot:
            self._forget(now)
            self._slots.append(_Slot(now))
        return self._slots[-1]

    def _forget(self, now: float) -> None:
        """Drop the slots that are in no window any more."""
        while self._slots and self._slots[0].began + self.slot <= now - self.longest:
            for keys in self._slots.popleft().failing.values():
                self._forget_keys(keys)

    def _forget_keys(self, keys: set[int]) -> None:
        for key in keys:
            del self._failing[key]
