"""Databases for tests: a fresh, migrated one for each test, copied from a template in milliseconds.

Fixtures that are a DSN: `database` (PostgreSQL 18), `any_database` (a run on each supported version that is
installed), `empty_database` and `any_empty_database` (not migrated). `any_connection` and `rolled_back` are
connections, on each version. Servers start when first needed.
"""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from typing import Any, TypeAlias, TypeVar

import asyncpg
import pytest

from relay.store import migrate
from tests.support.postgres import installed_bindirs, throwaway_postgres

VERSIONS = ("wheel", "debian-15")
CURES = {
    "wheel": "pip install 'outbox-relay[embedded]'",
    "debian-15": "apt-get install postgresql-15",
}
_TEMPLATE = "relay_template"
_LIMIT = 60.0

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
T = TypeVar("T")


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    """Provide a plain connection, and close it."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


class Databases:
    """Makes and drops databases on one server.

    Statements run on a loop of its own in a thread, so that fixtures work for tests with and without a loop.
    """

    def __init__(self, dsn: str) -> None:
        """Connect to the server of `dsn` and migrate a template there."""
        self._dsn = dsn
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test databases")
        self._thread.start()
        self._admin: Connection = self._run(asyncpg.connect(self.dsn("postgres")))
        self._statement(f"create database {_TEMPLATE}")
        self._run(migrate.up(self.dsn(_TEMPLATE)))

    def dsn(self, name: str) -> str:
        """Return the DSN of the database `name`."""
        return self._dsn.replace("@/relay?", f"@/{name}?")

    @contextmanager
    def fresh(self, template: str = _TEMPLATE) -> Iterator[str]:
        """Provide the DSN of a new copy of `template`, and drop it at the end, whoever is still connected."""
        name = f"test_{next(self._numbers)}"
        self._statement(f"create database {name} template {template}")
        try:
            yield self.dsn(name)
        finally:
            self._statement(f"drop database if exists {name} with (force)")

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._run(self._admin.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _statement(self, text: str) -> None:
        self._run(self._admin.execute(text))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_LIMIT)


class Servers:
    """The test run's servers by version (`wheel`, `debian-15`), each started when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._started: dict[str, Databases] = {}

    def __getitem__(self, version: str) -> Databases:
        """Return the server of that version, or skip the test that asks, with the cure."""
        bindir = installed_bindirs().get(version)
        if bindir is None:
            pytest.skip(f"PostgreSQL {version} is not installed; cure: {CURES[version]}")
        if version not in self._started:
            server = self._stack.enter_context(throwaway_postgres(bindir, {"max_prepared_transactions": "4"}))
            self._started[version] = self._stack.enter_context(closing(Databases(server.dsn)))
        return self._started[version]


@pytest.fixture(scope="session")
def database_servers() -> Iterator[Servers]:
    """Provide the servers, and stop them when the test run ends."""
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture
def database(database_servers: Servers) -> Iterator[str]:
    """Provide the DSN of a fresh, migrated database on PostgreSQL 18."""
    with database_servers["wheel"].fresh() as dsn:
        yield dsn


@pytest.fixture
def empty_database(database_servers: Servers) -> Iterator[str]:
    """Provide the DSN of a fresh database on PostgreSQL 18 that has no schema yet."""
    with database_servers["wheel"].fresh("template1") as dsn:
        yield dsn


@pytest.fixture(params=VERSIONS)
def any_database(database_servers: Servers, request: pytest.FixtureRequest) -> Iterator[str]:
    """Provide the DSN of a fresh, migrated database, once for each supported version of PostgreSQL."""
    with database_servers[request.param].fresh() as dsn:
        yield dsn


@pytest.fixture(params=VERSIONS)
def any_empty_database(database_servers: Servers, request: pytest.FixtureRequest) -> Iterator[str]:
    """Provide the DSN of a fresh database without schema, once for each supported version of PostgreSQL."""
    with database_servers[request.param].fresh("template1") as dsn:
        yield dsn


@pytest.fixture(scope="module", params=VERSIONS)
def shared_database(database_servers: Servers, request: pytest.FixtureRequest) -> Iterator[str]:
    """Provide one migrated database a module and version, for tests that roll back whatever they do."""
    with database_servers[request.param].fresh() as dsn:
        yield dsn


@pytest.fixture
async def rolled_back(shared_database: str) -> AsyncIterator[Connection]:
    """Provide a connection to it in a transaction that is rolled back after the test."""
    async with connected(shared_database) as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()


@pytest.fixture
async def any_connection(any_database: str) -> AsyncIterator[Connection]:
    """Provide a connection to `any_database`."""
    async with connected(any_database) as connection:
        yield connection
