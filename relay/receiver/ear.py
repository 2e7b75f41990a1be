"""Hears of events that other processes stored. Polling is the guarantee; this only saves time."""

import asyncio
import logging
from collections.abc import Callable

import asyncpg

CHANNEL = "relay_inbox"
CONNECT_LIMIT = 10.0
CHECKED_EVERY = 5.0
PAUSE_AFTER_ERROR = 1.0

logger = logging.getLogger("relay.receiver")


class Ear:
    """Listens on a connection of its own.

    Args:
        dsn: Of the database itself: a proxy that pools transactions lets no NOTIFY through.
        source: Whose events matter.
        wake: Called for each notice.
    """

    def __init__(self, dsn: str, source: str, wake: Callable[[], None]) -> None:
        self._dsn = dsn
        self._source = source
        self._wake = wake

    async def run(self) -> None:
        """Listen until cancelled, and connect again after every loss."""
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - the border of the loop
                logger.info("not listening for a moment: %s: %s", type(error).__name__, error)
            await asyncio.sleep(PAUSE_AFTER_ERROR)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._dsn, timeout=CONNECT_LIMIT, server_settings={"application_name": "relay inbox listen"}
        )
        try:
            await connection.add_listener(CHANNEL, self._hear)
            self._wake()  # for what came before
            while True:
                await asyncio.sleep(CHECKED_EVERY)
                await connection.execute("select 1", timeout=CHECKED_EVERY)
        finally:
            connection.terminate()

    def _hear(self, _connection: object, _pid: int, _channel: str, source: object) -> None:
        if source == self._source:
            self._wake()
