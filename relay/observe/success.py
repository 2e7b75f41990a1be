"""The share of deliveries that succeed, over the last minutes, each delivery counted once."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

WINDOWS = {"5m": 300.0, "1h": 3600.0}
"""Seconds of each window, by the name that users see."""
SLOT = 10.0
"""Seconds that are counted together; a window is longer by up to this."""
MOST_FAILING = 50_000
"""Failing deliveries that are told apart; what comes on top is counted by the attempt."""


@dataclass(slots=True)
class _Slot:
    """What happened within ten seconds.

    Attributes:
        failing: Deliveries whose last failed attempt was then, and that were not delivered since.
        untold: Failed attempts of deliveries that there was no room to tell apart.
    """

    began: float
    delivered: int = 0
    failing: set[int] = field(default_factory=set)
    untold: int = 0


class SuccessRate:
    """Delivered ÷ (delivered + failing): a delivery that fails and then succeeds within the window is delivered.

    It knows what this process recorded, and nothing from before its start. A delivery is known by the hash of its key,
    which keeps the memory small.
    """

    def __init__(self) -> None:
        self._slots: deque[_Slot] = deque()
        self._failing: dict[int, _Slot] = {}

    def delivered(self, count: int, now: float) -> None:
        """Count deliveries that succeeded.

        Args:
            count: How many.
            now: Monotonic time.
        """
        self._slot(now).delivered += count

    def failed(self, key: int, now: float) -> None:
        """Note that a charged attempt failed."""
        slot = self._slot(now)
        self.recovered(key)
        if len(self._failing) < MOST_FAILING:
            slot.failing.add(key)
            self._failing[key] = slot
        else:
            slot.untold += 1

    def recovered(self, key: int) -> None:
        """Note that a delivery whose attempts failed before is failing no more."""
        slot = self._failing.pop(key, None)
        if slot is not None:
            slot.failing.discard(key)

    def ratio(self, window: float, now: float) -> float:
        """Return the share from 0 to 1 over the last `window` seconds; not a number if there was no delivery."""
        self._forget(now)
        delivered = failing = 0
        for slot in self._within(window, now):
            delivered += slot.delivered
            failing += len(slot.failing) + slot.untold
        return delivered / (delivered + failing) if delivered + failing else math.nan

    def _within(self, window: float, now: float) -> Iterator[_Slot]:
        return (slot for slot in self._slots if slot.began + SLOT > now - window)

    def _slot(self, now: float) -> _Slot:
        if not self._slots or now >= self._slots[-1].began + SLOT:
            self._forget(now)
            self._slots.append(_Slot(now))
        return self._slots[-1]

    def _forget(self, now: float) -> None:
        """Drop the slots that are in no window any more."""
        while self._slots and self._slots[0].began + SLOT <= now - max(WINDOWS.values()):
            for key in self._slots.popleft().failing:
                del self._failing[key]
