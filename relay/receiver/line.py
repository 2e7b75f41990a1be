"""One connection that is kept: a pool would ask the server to reset it after each use, while a sender waits."""

import asyncpg

from relay.receiver.schema import Connection
from relay.receiver.statements import PLANS

CONNECT_LIMIT = 5.0


class Line:
    """A connection for one task, opened when it is first needed and again after a loss.

    Args:
        dsn: Of the database.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def connection(self) -> Connection:
        """Return the connection; errors as of `asyncpg.connect`."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_LIMIT,
                server_settings={"application_name": "relay inbox store", **PLANS},
            )
        return self._connection

    def drop(self) -> None:
        """Cut the connection; what was under way is undone, or was committed."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Close the connection in order, or cut it if that takes long."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=CONNECT_LIMIT)
            except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
                connection.terminate()
