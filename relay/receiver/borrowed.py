"""A connection of the pool for a limited time.

A database that falls silent, as after a failure of its machine, ends no wait: the connection must be cut. To cancel
what waits is not enough, since asyncpg would wait again, to roll back and to clean up.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeAlias

import asyncpg

from relay.receiver.schema import Connection

RETURN_LIMIT = 10.0
"""Seconds for taking a connection out of the pool, which may have to connect, and for giving it back."""

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


@asynccontextmanager
async def borrowed(pool: Pool, limit: float) -> AsyncIterator[Connection]:
    """Provide a connection of the pool; after `limit` seconds it is cut, and what waits for it raises.

    Raises:
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: The database was lost, or took too long.
    """
    async with pool.acquire(timeout=RETURN_LIMIT) as connection:
        with cut_after(connection, limit):
            yield connection


@contextmanager
def cut_after(connection: Connection, limit: float) -> Iterator[None]:
    """Cut a connection with which the block is not done after so many seconds."""
    timer = asyncio.get_running_loop().call_later(limit, _cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: Connection) -> None:
    with suppress(asyncpg.InterfaceError):  # it was closed, and is no longer ours
        connection.terminate()
