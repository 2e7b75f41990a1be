"""What a person asks of an inbox: how much waits, what is dead, and that it be tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.receiver.intake import Pool
from relay.receiver.statements import statement

BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The inbox at one moment.

    Attributes:
        waiting: Events that are not over, those being handled included.
        retrying: Those of them whose handler has failed before.
        dead: Events that were given up.
        oldest_age: Since the oldest that waits arrived; None if none waits.
    """

    waiting: int
    retrying: int
    dead: int
    oldest_age: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadEvent:
    """An event that was given up.

    Attributes:
        seq: Its number in the inbox, by arrival.
        error: What its handler's last failure said.
        failures: How often it failed.
    """

    seq: int
    event_id: str
    event_type: str | None
    body: bytes
    failures: int
    error: str
    received_at: datetime
    ended_at: datetime


async def read_stats(pool: Pool, source: str) -> Stats:
    """Return how a source stands."""
    row = await pool.fetchrow(statement("stats"), source)
    return Stats(**dict(row or {}))


async def list_dead(pool: Pool, source: str, *, after: int, limit: int) -> list[DeadEvent]:
    """Return dead events with a higher seq than `after`, the oldest first."""
    rows = await pool.fetch(statement("list_dead"), source, after, limit)
    return [DeadEvent(**dict(row)) for row in rows]


async def retry_dead(pool: Pool, source: str, event_ids: Sequence[str] | None) -> int:
    """Have dead events handled once more, in batches, and return how many there were."""
    total = 0
    chosen = None if event_ids is None else list(event_ids)
    while count := await pool.fetchval(statement("retry_dead"), source, chosen, BATCH):
        total += count
        if count < BATCH:
            break
    return total
