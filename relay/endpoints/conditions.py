"""Looks after the standings: finds who fell silent, and keeps in the database who is left alone."""

import asyncio
import time

import asyncpg

from relay.endpoints.health import SWEEP, Standings
from relay.store.session import DatabaseAway, Session
from relay.store.watch import Backoff


class ConditionKeeper:
    """Sweeps the standings, and writes what changed of them; people see it, and the next start goes on with it.

    Args:
        standings: Of all endpoints.
        session: One that moves no deliveries.
        backoff: Pauses between tries while the database is away.
    """

    def __init__(self, *, standings: Standings, session: Session, backoff: Backoff) -> None:
        self._standings = standings
        self._session = session
        self._backoff = backoff

    async def run(self) -> None:
        """Look after them until cancelled."""
        while True:
            try:
                async with asyncio.timeout(SWEEP):
                    await self._standings.changed.some.wait()
            except TimeoutError:
                pass
            self._standings.sweep()
            await self._write()

    async def _write(self) -> None:
        """Write what changed, all of it in one statement."""
        ids = self._standings.changed.take()
        if not ids:
            return
        standings = [self._standings.of(endpoint_id) for endpoint_id in ids]
        now = time.monotonic()
        try:
            await self._session.fetch(
                "endpoint_conditions_write",
                ids,
                [standing.breaker.state for standing in standings],
                [standing.left_alone_for(now) for standing in standings],
            )
            self._backoff.succeeded()
        except (DatabaseAway, asyncpg.PostgresError) as error:
            self._standings.changed.put_back(ids)
            await self._backoff.failed(error)
