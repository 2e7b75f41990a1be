"""Leases that ran out: what nobody holds any more, though it says so in the table."""

import time

from relay.observe.logs import get_logger
from relay.pipeline.desk import Desk
from relay.pipeline.scheduler import Scheduler
from relay.store.session import Session

log = get_logger()

SLOWEST_COMMIT = 60.0
"""Seconds before the last look that are looked at again, for leases that were not to be seen then."""


class Leases:
    """Makes due again what other relays held for longer than they said, and tells the scheduler of strays of ours.

    Leases of relays that are known to be gone do not wait for this; they are returned at the start.

    Args:
        scheduler: Releases strays.
        desk: Tells who we are and what is in hand.
    """

    def __init__(self, *, scheduler: Scheduler, desk: Desk) -> None:
        self._scheduler = scheduler
        self._desk = desk
        self._looked_at = 0.0

    def look_at_all(self) -> None:
        """Look at all leases the next time, not only at those since the last look."""
        self._looked_at = 0.0

    async def end_lapsed(self, session: Session) -> None:
        """Look at what ran out since the last time.

        Raises:
            DatabaseAway: As of any statement.
        """
        started = time.monotonic()
        rows = await session.fetch("end_leases", self._desk.instance, self._looked_at)
        first = rows[0]
        if first["ended"]:
            waited = round((time.monotonic() - started) * 1000)
            log.info("leases.returned", deliveries=first["ended"], waited_ms=waited)
        if not first["locked"] and first["event_seq"] is None:  # else there is something to look at again
            self._looked_at = first["looked_at"] - SLOWEST_COMMIT
        in_hand = set(self._desk.slots.keys())
        if any(row["event_seq"] and (row["event_seq"], row["endpoint_id"]) not in in_hand for row in rows):
            self._scheduler.suspect_strays()
