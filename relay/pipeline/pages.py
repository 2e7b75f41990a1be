"""How many fresh events to read at once, by the slots there are for them. Pure."""

from relay.pipeline.plan import MOST_DELIVERIES

MOST_A_PAGE = 250
"""Larger ones cost the database a little less, and let the relay wait for the whole of them meanwhile."""
FIRST_WIDTH = 10.0
"""Deliveries an event, before anything is known: too many make the first page small, too few make it costly."""
FADING = 0.2
"""How much the last page says of the next one's width."""
PATIENCE = 0.25
"""Seconds of a want of slots, until more is read than can be leased."""
LEAST_SPILLED = 50
"""Deliveries that are read then at first, and perhaps written down for later."""


class Pages:
    """Sizes pages so that what is read can be leased: what is only written down costs a claim of its own later.

    In a want of slots that lasts, more is read than can be leased, little at first and more with each look: an event
    must not wait behind those that wait for other endpoints.
    """

    def __init__(self) -> None:
        self._width = FIRST_WIDTH
        self._spilled = LEAST_SPILLED
        self._want_since: float | None = None

    def size(self, free: int, *, few: int, now: float) -> int:
        """Return how many events to read, at least 1.

        Args:
            free: Slots.
            few: Fewer of them than that are a want.
            now: Monotonic seconds.
        """
        deliveries = free
        if free >= few:
            self._want_since, self._spilled = None, LEAST_SPILLED
        elif self._want_since is None:
            self._want_since = now
        elif now - self._want_since >= PATIENCE:
            deliveries, self._spilled = max(free, self._spilled), min(self._spilled * 2, MOST_DELIVERIES)
        return min(max(int(deliveries / self._width), 1), MOST_A_PAGE)

    def saw(self, *, events: int, deliveries: int) -> None:
        """Note how many deliveries the events of a statement had; fewer than one counts as one."""
        self._width += FADING * (max(deliveries / events, 1.0) - self._width)
