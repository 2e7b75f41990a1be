"""Tells other processes of events, and hears of theirs. Polling is the guarantee; this only saves time."""

import asyncio
import logging
from collections.abc import Callable

import asyncpg

from relay.receiver.intake import Pool
from relay.receiver.statements import statement

CHANNEL = "relay_inbox"
CONNECT_LIMIT = 10.0
CHECKED_EVERY = 5.0
PAUSE_AFTER_ERROR = 1.0
GATHERED = 0.02
"""Seconds in which what is stored is told of together."""

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


class Voice:
    """Tells workers elsewhere that there are events.

    In a statement of its own: a NOTIFY in a commit makes all commits of the database wait for one another.

    Args:
        pool: One connection of it is used for each notice.
        source: Whose events they are.
    """

    def __init__(self, pool: Pool, source: str) -> None:
        self._pool = pool
        self._source = source
        self._has_news = asyncio.Event()

    def tell(self) -> None:
        """Have it told soon."""
        self._has_news.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            await self._has_news.wait()
            await asyncio.sleep(GATHERED)
            self._has_news.clear()
            try:
                await self._pool.execute(statement("notify"), self._source, timeout=CHECKED_EVERY)
            except Exception as error:  # noqa: BLE001 - the border of the loop
                logger.info("workers elsewhere look by themselves: %s: %s", type(error).__name__, error)
                await asyncio.sleep(PAUSE_AFTER_ERROR)
