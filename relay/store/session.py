"""One long-lived connection to PostgreSQL that comes back after it was lost.

The pipeline uses a handful of these and no pool: a pool's release runs a reset that drops advisory locks and LISTENs,
and costs as much as a query.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import asyncpg

from relay.observe.histogram import Histogram
from relay.store.sql import query

PIPELINE_SETTINGS: Mapping[str, str] = {
    # An outcome that a server crash forgets makes a duplicate, never a loss.
    "synchronous_commit": "off",
    # Planning anew costs four times what a small batch costs. The generic plan is safe since the statements find rows
    # in lateral subqueries with a limit, and change them at their place: no join is left that a plan could turn round
    # and walk a table for, however small it was when the plan was made.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_mergejoin": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
"""Settings of the sessions that move deliveries."""

OPERATION_SETTINGS: Mapping[str, str] = {
    **PIPELINE_SETTINGS,
    "synchronous_commit": "on",
    "lock_timeout": "2s",
}
"""Settings of the session that works off what people asked for; its statements go by keys as the pipeline's do."""

RETENTION_SETTINGS: Mapping[str, str] = {
    # Batches of a thousand in tables of any size: planned anew each time, and never by walking a table.
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "lock_timeout": "2s",
    "synchronous_commit": "on",
}
"""Settings of the session that deletes what is over."""

CAREFUL_SETTINGS: Mapping[str, str] = {"synchronous_commit": "on"}
"""Settings of sessions that act for a person: what they report as done has reached the disk."""


CONNECT_TIMEOUT = 5.0


class ValueRefused(ValueError):  # noqa: N818 - it says what happened to the value
    """A value that the driver cannot put into PostgreSQL's form; the same one will be refused again."""


class DatabaseAway(Exception):  # noqa: N818 - it names a state that passes, as the logs do
    """The statement did not complete because the connection failed, or took too long.

    Whether it took effect is not known. The session reconnects with its next statement.
    """


T = TypeVar("T")

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, terminated by an administrator
    asyncpg.InsufficientResourcesError,  # too many connections, disk full, out of memory
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,  # serialisation failure, deadlock: asked again, it goes through
    asyncpg.LockNotAvailableError,
    asyncpg.InternalClientError,
)
"""What PostgreSQL says when the trouble is not the statement's own: it is to be tried again."""

DATA_ERRORS = (
    ValueRefused,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.RaiseError,
    asyncpg.ProgramLimitExceededError,
)
"""What PostgreSQL says when the trouble is in the values: the same ones will be refused again."""

Setup = Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[None]]


class Run(Protocol):
    """Runs the statement of that name."""

    async def __call__(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        """Return its rows."""
        ...


class Statements(Protocol):
    """Runs statements by name: a session, each for itself, or a transaction, together."""

    async def fetch(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        """Return the rows of a statement."""
        ...

    async def fetch_row(self, name: str, *arguments: object) -> asyncpg.Record | None:
        """Return the first row of a statement; None if there is none."""
        ...


class Together:
    """The statements of one transaction, for operations that do not know of it.

    Args:
        run: Of the transaction.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    async def fetch(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        """Return the rows of a statement."""
        return await self._run(name, *arguments)

    async def fetch_row(self, name: str, *arguments: object) -> asyncpg.Record | None:
        """Return the first row of a statement; None if there is none."""
        rows = await self._run(name, *arguments)
        return rows[0] if rows else None


class Session:
    """A connection, opened when it is first needed and again after it broke.

    Statements run one at a time, in the order in which they were asked for. Every one has a limit of `timeout`
    seconds, after which the connection is given up, so that a half-open one cannot hold its user for ever. How long
    those took that are named in `timed`, and that came to an end, is added there.
    """

    def __init__(
        self,
        dsn: str,
        *,
        name: str,
        settings: Mapping[str, str] = CAREFUL_SETTINGS,
        timeout: float = 30.0,
        setup: Setup | None = None,
        timed: Mapping[str, Histogram] | None = None,
    ) -> None:
        self._dsn = dsn
        self._settings = {
            "application_name": f"relay {name}",
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
            **settings,
        }
        self._timeout = timeout
        self._setup = setup
        self._timed = timed or {}
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._statements: dict[str, asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]] = {}
        self._lock = asyncio.Lock()

    def another(self, name: str) -> "Session":
        """Return a session of its own on the same database, with the default settings."""
        return Session(self._dsn, name=name, timeout=self._timeout)

    @property
    def is_open(self) -> bool:
        """Whether the connection is there, as far as is known without asking."""
        return self._connection is not None and not self._connection.is_closed()

    async def fetch(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        """Run the statement called `name` and return its rows.

        Raises:
            DatabaseAway: The connection failed or the limit passed.
            asyncpg.PostgresError: The server refused the statement.
        """
        text = query(name)
        async with self._lock:
            began = time.monotonic()
            rows = await self._guarded(self._run(name, text, arguments))
            if name in self._timed:
                self._timed[name].add(time.monotonic() - began)
            return rows

    async def fetch_row(self, name: str, *arguments: object) -> asyncpg.Record | None:
        """Run the statement called `name` and return its first row; errors as in `fetch`."""
        rows = await self.fetch(name, *arguments)
        return rows[0] if rows else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Run]:
        """Let several statements take effect together, or none of them; gives what runs them, as `fetch` does.

        Raises:
            DatabaseAway: The connection failed or a limit passed. Whether they took effect is not known if it was the
                COMMIT that failed.
            asyncpg.PostgresError: The server refused one.
        """
        async with self._lock:
            connection = await self._guarded(self._connected())
            transaction = connection.transaction()
            await self._guarded(transaction.start())

            async def run(name: str, *arguments: object) -> list[asyncpg.Record]:
                return await self._guarded(self._run(name, query(name), arguments))

            try:
                yield run
            except BaseException:
                if not connection.is_closed():
                    await self._guarded(transaction.rollback())
                raise
            await self._guarded(transaction.commit())

    async def ping(self, limit: float) -> None:
        """Ask for a sign of life within `limit` seconds.

        Raises:
            DatabaseAway: None came.
        """
        async with self._lock:
            await self._guarded(self._ping(limit))

    async def close(self) -> None:
        """Close the connection politely, or at once if that takes over a second."""
        connection, self._connection = self._connection, None
        self._statements.clear()
        if connection is None or connection.is_closed():
            return
        try:
            await connection.close(timeout=1.0)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()

    def terminate(self) -> None:
        """Give the connection up without a word to the server."""
        connection, self._connection = self._connection, None
        self._statements.clear()
        if connection is not None:
            connection.terminate()

    async def _guarded(self, work: Awaitable[T]) -> T:
        """Turn what means "the database is away" into one exception, and give the connection up."""
        try:
            return await work
        except asyncio.CancelledError:
            # A cancelled statement leaves the protocol in between; a new connection is cheaper than to find out.
            self.terminate()
            raise
        except (OSError, TimeoutError, asyncpg.InterfaceError, *AWAY) as error:
            if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
                raise ValueRefused(str(error)) from error
            self.terminate()
            raise DatabaseAway(f"{type(error).__name__}: {error}") from error
        except asyncpg.PostgresError:
            # It may be the statement's plan that is out of date, as after a migration.
            self._statements.clear()
            raise

    async def _run(self, name: str, text: str, arguments: tuple[object, ...]) -> list[asyncpg.Record]:
        connection = await self._connected()
        statement = self._statements.get(name)
        if statement is None:
            statement = await connection.prepare(text, timeout=self._timeout)
            self._statements[name] = statement
        return await statement.fetch(*arguments, timeout=self._timeout)

    async def _ping(self, limit: float) -> None:
        connection = await self._connected()
        await connection.fetchval("select 1", timeout=limit)

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        self._statements.clear()
        self._connection = None
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            self._dsn,
            timeout=min(self._timeout, CONNECT_TIMEOUT),
            command_timeout=self._timeout,
            server_settings=dict(self._settings),
        )
        if self._setup is not None:
            try:
                await self._setup(connection)
            except BaseException:
                connection.terminate()
                raise
        self._connection = connection
        return connection
