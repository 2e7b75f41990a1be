"""How many deliveries of each endpoint were delivered lately, found by looking at counters that only grow."""

from array import array
from collections.abc import Iterable
from uuid import UUID

STEPS = 30
"""A window has so many steps; what is returned covers up to one more."""


class _Ring:
    """What was delivered in each of the last steps.

    Attributes:
        seen: The counter at the last look.
        total: The sum of all steps.
    """

    __slots__ = ("seen", "steps", "total")

    def __init__(self) -> None:
        self.steps = array("Q", bytes(8 * (STEPS + 1)))
        self.seen = 0
        self.total = 0


class RecentlyDelivered:
    """Keeps some four hundred bytes an endpoint; nothing is done when a delivery ends."""

    def __init__(self) -> None:
        self._rings: dict[UUID, _Ring] = {}
        self._step = 0

    def look(self, step: int, counters: Iterable[tuple[UUID, int]]) -> None:
        """Take note of the counters.

        Args:
            step: The number of the step that it is now; it never falls.
            counters: Of each endpoint, how many of its deliveries were delivered since the start. A counter that is
                smaller than before began anew.
        """
        passed = [each % (STEPS + 1) for each in range(max(self._step + 1, step - STEPS), step + 1)]
        self._step = step
        before, self._rings = self._rings, {}
        for endpoint_id, count in counters:
            ring = self._rings[endpoint_id] = before.get(endpoint_id) or _Ring()
            if ring.total:
                for place in passed:
                    ring.total -= ring.steps[place]
                    ring.steps[place] = 0
            if count != ring.seen:
                came = count - ring.seen if count > ring.seen else count
                ring.steps[step % (STEPS + 1)] += came
                ring.total += came
                ring.seen = count

    def of(self, endpoint_id: UUID) -> int:
        """Return how many deliveries of an endpoint were delivered in the window."""
        ring = self._rings.get(endpoint_id)
        return ring.total if ring is not None else 0

    def forget(self) -> None:
        """Begin anew with the counters as they are, since steps are of another length from now on."""
        for ring in self._rings.values():
            ring.steps = array("Q", bytes(8 * (STEPS + 1)))
            ring.total = 0
        self._step = 0
