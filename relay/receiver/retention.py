"""Deletes what has been over for long enough, in small batches."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from relay.receiver.intake import Pool
from relay.receiver.statements import statement

EVERY = timedelta(minutes=10)
BATCH = 1000
BATCH_LIMIT = 60.0
MARGIN = timedelta(hours=1)
"""Between the clocks of this machine and of the database."""

logger = logging.getLogger("relay.receiver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what is over is kept.

    Attributes:
        done: Events that were handled or passed over, and the marks of their keys. As long as an event is
            kept, its coming again is noticed: longer than a sender tries, and than its operators go back.
        dead: Events that were given up.
    """

    done: timedelta = timedelta(days=30)
    dead: timedelta = timedelta(days=90)


class Caretaker:
    """Prunes one source every ten minutes.

    Args:
        pool: One connection of it is used for each batch.
        source: Whose events they are.
        retention: How long they are kept.
        tolerance: Of signatures, in seconds: a content is of no use once its signature is too old.
    """

    def __init__(self, pool: Pool, *, source: str, retention: Retention, tolerance: float) -> None:
        self._pool = pool
        self._source = source
        self._retention = retention
        self._content_kept = timedelta(seconds=2 * tolerance) + MARGIN

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            try:
                await self.prune()
            except Exception as error:  # noqa: BLE001 - the border of the loop
                logger.warning("cannot prune the inbox: %s: %s", type(error).__name__, error)
            await asyncio.sleep(EVERY.total_seconds())

    async def prune(self) -> int:
        """Delete what is old enough now, and return how many rows that were."""
        kept = self._retention
        return (
            await self._delete("prune_events", kept.done, kept.dead)
            + await self._delete("prune_contents", self._content_kept)
            + await self._delete("prune_marks", max(kept.done, kept.dead))
        )

    async def _delete(self, name: str, *kept: timedelta) -> int:
        total = 0
        while True:
            async with asyncio.timeout(BATCH_LIMIT), self._pool.acquire() as connection:
                count: int = await connection.fetchval(statement(name), self._source, *kept, BATCH)
            total += count
            if count < BATCH:
                return total
