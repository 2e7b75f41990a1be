"""Order within a key, for endpoints that ask for it: what is held for what, and how it is let go.

A delivery is held, when it is written, while an earlier one of its key has not ended; the recorder lets the next one go
as soon as it has. Those two exclude one another, or one would not see what the other is at. What slips through all the
same, since another process had a hand in it, is found by a sweep.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from uuid import UUID

import asyncpg

from relay.endpoints.registry import Registry
from relay.model import Cancelled, Dead, Delivered, Result
from relay.store.arrays import flags, numbers
from relay.store.session import DatabaseAway, Session
from relay.store.watch import Backoff

SWEEP = 2.0
"""Seconds between two sweeps; a key that somebody else left behind waits no longer than that."""
RARELY = 60.0
"""The same while no endpoint asks for order: what is left of those that did."""
RESPITE = 20.0
"""So many times its own duration the next sweep is away at least."""

NoteDue = Callable[[UUID, float], None]


class Ordering:
    """Which deliveries of a plan have an ordering key, and which of them follow another of the plan.

    Deliveries are added in the order of their events' seq.
    """

    __slots__ = ("_by_place", "_seen")

    def __init__(self) -> None:
        self._seen: set[tuple[UUID, int]] = set()
        self._by_place: dict[int, tuple[int, bool]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_place)

    def add(self, place: int, endpoint_id: UUID, ordering_hash: int) -> bool:
        """Add the delivery at this place of the plan; returns whether it follows another one."""
        follows = (endpoint_id, ordering_hash) in self._seen
        self._seen.add((endpoint_id, ordering_hash))
        self._by_place[place] = (ordering_hash, follows)
        return follows

    def arguments(self, count: int) -> tuple[str, str]:
        """Return the hashes, and who follows, for the statement `fan_out` with so many deliveries."""
        if not self._by_place:
            return "{}", "{}"
        none = (None, False)
        keys = [self._by_place.get(place, none) for place in range(count)]
        return numbers([key for key, _ in keys]), flags([follows for _, follows in keys])


def ended_keys(results: Iterable[Result]) -> tuple[list[UUID], list[int]]:
    """Return endpoint and key of each of these deliveries that others may have waited for, and that has ended."""
    ended = [
        (result.claim.endpoint_id, result.claim.ordering_hash)
        for result in results
        if result.claim.ordering_hash is not None and isinstance(result.outcome, Delivered | Dead | Cancelled)
    ]
    return [endpoint_id for endpoint_id, _ in ended], [key for _, key in ended]


class OrderKeeper:
    """Lets deliveries go that are held for one that has ended.

    Args:
        note_due: Called with endpoint and delay of what was let go.
        registry: Tells whether anybody asks for order.

    Attributes:
        lock: Held while deliveries are written that may have to wait, and while the end of others is recorded.
    """

    def __init__(self, *, note_due: NoteDue, registry: Registry) -> None:
        self._note_due = note_due
        self._registry = registry
        self.lock = asyncio.Lock()

    async def release(self, session: Session, endpoint_ids: list[UUID], keys: list[int]) -> None:
        """Let the next delivery of each of these keys go.

        Raises:
            DatabaseAway: As of any statement.
        """
        self._note(await session.fetch("order_release", endpoint_ids, keys))

    async def sweep(self, session: Session, *, active: asyncio.Event, backoff: Backoff) -> None:
        """Look, again and again, for what nobody let go, until cancelled.

        Args:
            session: One that moves no deliveries.
            active: Set while this relay works.
            backoff: Pauses between tries while the database is away.
        """
        swept_at, took = float("-inf"), 0.0
        while True:
            await active.wait()
            started = time.monotonic()
            if started - swept_at >= max(SWEEP if self._registry.has_ordered else RARELY, took * RESPITE):
                try:
                    self._note(await session.fetch("order_sweep"))
                    backoff.succeeded()
                except (DatabaseAway, asyncpg.PostgresError) as error:
                    await backoff.failed(error)
                    continue
                swept_at = time.monotonic()
                took = swept_at - started
            await asyncio.sleep(SWEEP)

    def _note(self, released: list[asyncpg.Record]) -> None:
        for row in released:
            self._note_due(row["endpoint_id"], row["due_in"])
