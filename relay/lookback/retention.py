"""Deletes what has been kept for long enough: events in small batches, the log by days. Nothing undelivered goes."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from relay.config import Retention as RetentionSettings
from relay.observe.logs import get_logger
from relay.store.session import DatabaseAway, Run, Session
from relay.store.watch import Backoff

log = get_logger()

EVERY = 60.0
"""Seconds between two rounds."""
A_BATCH = 1000
"""Events that one transaction looks at."""
LEAST_REST = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """How long what is kept, in seconds.

    Attributes:
        delivered: An event, after its last attempt; and a day of the log, after its end.
        dead: What is dead, after its end.
        payload: A payload, after the last attempt of an event that was delivered everywhere; None: as the event.
    """

    delivered: float
    dead: float
    payload: float | None

    @classmethod
    def of(cls, settings: RetentionSettings) -> "Periods":
        """Return what the settings say."""
        payload = settings.payload
        return cls(
            delivered=settings.delivered.total_seconds(),
            dead=settings.dead.total_seconds(),
            payload=None if payload is None else payload.total_seconds(),
        )


class Retention:
    """Deletes round by round, and rests after each batch for as long as it took.

    Args:
        session: One that moves no deliveries and waits for nobody else.
        periods: May be exchanged while it runs.
        active: Set while this relay works.
        backoff: Pauses between tries while the database is away.
    """

    def __init__(
        self, *, session: Session, periods: Periods, active: asyncio.Event, backoff: Backoff
    ) -> None:
        self._session = session
        self._active = active
        self._backoff = backoff
        self.periods = periods

    async def run(self) -> None:
        """Delete until cancelled."""
        while True:
            await self._active.wait()
            try:
                await self.round()
                self._backoff.succeeded()
            except (DatabaseAway, asyncpg.PostgresError) as error:
                await self._backoff.failed(error)
                continue
            await asyncio.sleep(EVERY)

    async def round(self) -> None:
        """Delete all whose time is over.

        Raises:
            DatabaseAway: The rest is for the next round.
        """
        # One moment and one rule for all of a round: an event that was too young must not lose its day of the log.
        now, periods = await self._ask("retention_begin"), self.periods
        before = now - timedelta(seconds=periods.delivered)
        events, passed_over = await self._delete_events(before, now - timedelta(seconds=periods.dead))
        # The log tells of events that were passed over that they are over.
        days = 0 if passed_over else await self._drop_days(before)
        kept = await self._delete_kept(before)
        payloads = 0
        if periods.payload is not None:
            payloads = await self._expunge(now - timedelta(seconds=periods.payload))
        if days or events or payloads:
            log.info("retention.done", days=days, events=events, attempts=kept, payloads=payloads)

    async def _drop_days(self, before: datetime) -> int:
        """Drop the days of the log that are over, but for the attempts of events with deliveries."""
        dropped = 0
        while (partition := await self._ask("retention_log", before)) is not None:
            if not await self._ask("retention_detach", partition):
                break
            after = 0
            while (last := await self._ask("retention_keep", partition, after, A_BATCH)) is not None:
                after = last
            await self._session.fetch("retention_drop", partition)
            dropped += 1
        return dropped

    async def _delete_events(self, before: datetime, dead_before: datetime) -> tuple[int, int]:
        """Delete events; returns how many, and how many may be over that somebody held locked."""
        deleted, passed_over = 0, 0
        async with aclosing(self._pages(before, dead_before)) as pages:
            async for run, page in pages:
                passed_over += page["passed_over"]
                if page["event_seqs"]:
                    (gone,) = await run("retention_delete", page["event_seqs"], before, dead_before)
                    deleted += gone["deleted"]
                    passed_over += gone["passed_over"]
        return deleted, passed_over

    async def _delete_kept(self, before: datetime) -> int:
        deleted = 0
        while count := await self._ask("retention_kept", A_BATCH, before):
            deleted += count
            await asyncio.sleep(LEAST_REST)
        return deleted

    async def _expunge(self, before: datetime) -> int:
        expunged = 0
        async with aclosing(self._pages(before, before)) as pages:
            async for run, page in pages:
                if page["event_seqs"]:
                    (gone,) = await run("retention_expunge", page["event_seqs"], before)
                    expunged += gone["expunged"]
        return expunged

    async def _pages(
        self, before: datetime, dead_before: datetime
    ) -> AsyncGenerator[tuple[Run, asyncpg.Record], None]:
        """Yield page by page of events that may be over, each in a transaction, and rest as long as each took."""
        after = 0
        while True:
            began = time.monotonic()
            async with self._session.transaction() as run:
                rows = await run("retention_pick", after, A_BATCH, before, dead_before)
                if not rows or rows[0]["are_young"]:
                    return
                after = rows[0]["last_seq"]
                yield run, rows[0]
            await asyncio.sleep(max(time.monotonic() - began, LEAST_REST))

    async def _ask(self, name: str, *arguments: object) -> Any:
        """Return the one value of a statement."""
        rows = await self._session.fetch(name, *arguments)
        return rows[0][0]
