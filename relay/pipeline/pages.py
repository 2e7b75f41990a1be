"""How many fresh events to read at once, by the slots there are for them. Pure."""

from relay.pipeline.plan import MOST_DELIVERIES

MOST_A_PAGE = 500
FIRST_WIDTH = 10.0
"""Deliveries an event, before anything is known: too many make the first page small, too few make it costly."""
FADING = 0.2
"""How much the last page says of the next one's width."""
LEAST_SPILLED = 50
"""Deliveries that are read all the same, and perhaps written down for later, the first time that slots are few."""


class Pages:
    """Sizes pages so that what is read can be leased: what is only written down costs a claim of its own later.

    In want of slots they are small at first and grow with each look: if that lasts, an event must not wait behind those
    that wait for other endpoints.
    """

    def __init__(self) -> None:
        self._width = FIRST_WIDTH
        self._spilled = LEAST_SPILLED

    def size(self, free: int, *, few: int) -> int:
        """Return how many events to read, at least 1.

        Args:
            free: Slots.
            few: Fewer of them than that are a want.
        """
        deliveries = free
        if free >= few:
            self._spilled = LEAST_SPILLED
        else:
            deliveries, self._spilled = max(free, self._spilled), min(self._spilled * 2, MOST_DELIVERIES)
        return min(max(int(deliveries / self._width), 1), MOST_A_PAGE)

    def saw(self, *, events: int, deliveries: int) -> None:
        """Note how many deliveries the events of a statement had; fewer than one counts as one."""
        self._width += FADING * (max(deliveries / events, 1.0) - self._width)
