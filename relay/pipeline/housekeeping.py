"""What is looked after now and then: what memory may have missed, and the partitions of the log."""

import asyncio
import time

import asyncpg

from relay.pipeline.leases import Leases
from relay.pipeline.scheduler import Scheduler
from relay.store.session import DatabaseAway, Session
from relay.store.watch import Backoff

SURVEY = 60.0
"""Seconds between two full looks at what is due."""
PARTITIONS = 3600.0
"""Seconds between two calls that make the log's partitions, which reach two weeks ahead."""


class Housekeeping:
    """Surveys the database at the start, each minute, and when asked.

    Args:
        session: The admin session.
        scheduler: Gets what the survey finds.
        leases: Looked through before.
        active: Set while this relay works.
        wake: Wakes the scheduler.
        backoff: Pauses between tries while the database is away.
    """

    def __init__(
        self,
        *,
        session: Session,
        scheduler: Scheduler,
        leases: Leases,
        active: asyncio.Event,
        wake: asyncio.Event,
        backoff: Backoff,
    ) -> None:
        self._session = session
        self._scheduler = scheduler
        self._leases = leases
        self._active = active
        self._wake = wake
        self._backoff = backoff
        self._wanted = asyncio.Event()
        self._partitions_at = float("-inf")
        self.surveyed = asyncio.Event()

    def survey_soon(self) -> None:
        """Ask for a survey outside of the minute."""
        self._wanted.set()

    async def run(self) -> None:
        """Keep house until cancelled."""
        while True:
            await self._active.wait()
            self._wanted.clear()
            try:
                await self._round()
                self._backoff.succeeded()
            except (DatabaseAway, asyncpg.PostgresError) as error:
                await self._backoff.failed(error)
                continue
            try:
                async with asyncio.timeout(SURVEY):
                    await self._wanted.wait()
            except TimeoutError:
                pass

    async def _round(self) -> None:
        await self._session.fetch("fresh_repair")
        await self._leases.end_lapsed(self._session)
        await self._scheduler.survey(self._session)
        self._wake.set()
        self.surveyed.set()
        if time.monotonic() - self._partitions_at > PARTITIONS:
            await self._session.fetch("make_partitions")
            self._partitions_at = time.monotonic()
