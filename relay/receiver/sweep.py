"""Releases held events whose turn a process that died could not give on."""

import asyncio
import logging
from collections.abc import Callable

from relay.receiver.intake import Pool
from relay.receiver.statements import statement

EVERY = 5.0
BATCH = 1000
LIMIT = 60.0

logger = logging.getLogger("relay.receiver")


class Sweep:
    """Looks at every key that has held events, now and every five seconds.

    Args:
        pool: One connection of it is used for each sweep.
        source: Whose events they are.
        strict: An event that waits holds up the later ones of its key.
        wake: Called after each sweep that found any key.
    """

    def __init__(self, pool: Pool, source: str, *, strict: bool, wake: Callable[[], None]) -> None:
        self._pool = pool
        self._source = source
        self._strict = strict
        self._wake = wake

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.sweep()
            except Exception as error:  # noqa: BLE001 - the border of the loop
                logger.warning("cannot release what is held: %s: %s", type(error).__name__, error)
            await asyncio.sleep(EVERY)

    async def sweep(self) -> None:
        """Let the first event of each key come, if it is held."""
        async with asyncio.timeout(LIMIT), self._pool.acquire() as connection:
            rows = await connection.fetch(statement("held_keys"), self._source)
            keys = [row["ordering_key"] for row in rows]
            for start in range(0, len(keys), BATCH):
                some = keys[start : start + BATCH]
                await connection.execute(statement("release_keys"), self._source, some, self._strict)
        if keys:
            self._wake()
