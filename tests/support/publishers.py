"""Applications of every driver that `relay.client` takes, with one set of steps: each is done as its driver does it.

The steps are synchronous for all; those of asynchronous drivers run on a loop of their own.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, TypeVar
from uuid import UUID

import asyncpg
import django.db
import psycopg
import psycopg2
import sqlalchemy
from django.conf import settings
from django.db import transaction as django_transaction
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from relay import client

T = TypeVar("T")


class Publisher(Protocol):
    """An application with one connection; `begin` to `roll_back_to_savepoint` are its driver's own ways."""

    connection: Any

    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def roll_back(self) -> None: ...
    def savepoint(self) -> None: ...
    def roll_back_to_savepoint(self) -> None: ...
    def value(self, statement: str) -> Any: ...
    def publish(self, event_type: str, payload: object, **options: Any) -> UUID: ...
    def cancel(self, event_id: UUID | str) -> None: ...


class _Synchronous:
    connection: Any

    def publish(self, event_type: str, payload: object, **options: Any) -> UUID:
        event_id = client.publish(self.connection, event_type, payload, **options)
        assert type(event_id) is UUID
        return event_id

    def cancel(self, event_id: UUID | str) -> None:
        client.cancel(self.connection, event_id)


class _Asynchronous:
    connection: Any

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(asyncio.wait_for(work, 30))

    def publish(self, event_type: str, payload: object, **options: Any) -> UUID:
        event_id = self.run(client.publish(self.connection, event_type, payload, **options))
        assert type(event_id) is UUID
        return event_id

    def cancel(self, event_id: UUID | str) -> None:
        self.run(client.cancel(self.connection, event_id))


class Asyncpg(_Asynchronous):
    """Transactions are objects; a nested one is a savepoint."""

    def __init__(self, runner: asyncio.Runner, connection: Any) -> None:
        super().__init__(runner)
        self.connection = connection
        self._transactions: list[Any] = []

    def begin(self) -> None:
        self._transactions.append(self.connection.transaction())
        self.run(self._transactions[-1].start())

    savepoint = begin

    def commit(self) -> None:
        self.run(self._transactions.pop().commit())

    def roll_back(self) -> None:
        self.run(self._transactions.pop().rollback())

    roll_back_to_savepoint = roll_back

    def value(self, statement: str) -> Any:
        return self.run(self.connection.fetchval(statement))


class Psycopg(_Synchronous):
    """Versions 2 and 3: the first statement begins a transaction."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def begin(self) -> None:
        assert not self.connection.autocommit

    def commit(self) -> None:
        self.connection.commit()

    def roll_back(self) -> None:
        self.connection.rollback()

    def savepoint(self) -> None:
        self._execute("savepoint here")

    def roll_back_to_savepoint(self) -> None:
        self._execute("rollback to savepoint here")

    def value(self, statement: str) -> Any:
        return self._execute(statement)[0]

    def _execute(self, statement: str) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone() if cursor.description else None


class PsycopgAsync(_Asynchronous):
    """The first statement begins a transaction."""

    def __init__(self, runner: asyncio.Runner, connection: Any) -> None:
        super().__init__(runner)
        self.connection = connection

    def begin(self) -> None:
        assert not self.connection.autocommit

    def commit(self) -> None:
        self.run(self.connection.commit())

    def roll_back(self) -> None:
        self.run(self.connection.rollback())

    def savepoint(self) -> None:
        self.run(self.connection.execute("savepoint here"))

    def roll_back_to_savepoint(self) -> None:
        self.run(self.connection.execute("rollback to savepoint here"))

    def value(self, statement: str) -> Any:
        async def fetch() -> Any:
            cursor = await self.connection.execute(statement)
            return (await cursor.fetchone())[0]

        return self.run(fetch())


class SqlAlchemy(_Synchronous):
    """Connections and sessions: a nested transaction is a savepoint."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._transactions: list[Any] = []

    def begin(self) -> None:
        self._transactions.append(self.connection.begin())

    def savepoint(self) -> None:
        self._transactions.append(self.connection.begin_nested())

    def commit(self) -> None:
        self._transactions.pop().commit()

    def roll_back(self) -> None:
        self._transactions.pop().rollback()

    roll_back_to_savepoint = roll_back

    def value(self, statement: str) -> Any:
        return self.connection.execute(sqlalchemy.text(statement)).scalar_one()


class SqlAlchemyAsync(_Asynchronous):
    """The same, asynchronous."""

    def __init__(self, runner: asyncio.Runner, connection: Any) -> None:
        super().__init__(runner)
        self.connection = connection
        self._transactions: list[Any] = []

    def begin(self) -> None:
        self._transactions.append(self.run(self._started(self.connection.begin())))

    def savepoint(self) -> None:
        self._transactions.append(self.run(self._started(self.connection.begin_nested())))

    def commit(self) -> None:
        self.run(self._transactions.pop().commit())

    def roll_back(self) -> None:
        self.run(self._transactions.pop().rollback())

    roll_back_to_savepoint = roll_back

    def value(self, statement: str) -> Any:
        async def fetch() -> Any:
            return (await self.connection.execute(sqlalchemy.text(statement))).scalar_one()

        return self.run(fetch())

    @staticmethod
    async def _started(transaction: Any) -> Any:
        return await transaction.start()


class Django(_Synchronous):
    """`django.db.connection`; `atomic` blocks are entered and left by hand, inner ones are savepoints."""

    def __init__(self) -> None:
        self.connection = django.db.connection
        self._blocks: list[Any] = []

    def begin(self) -> None:
        self._blocks.append(django_transaction.atomic())
        self._blocks[-1].__enter__()

    savepoint = begin

    def commit(self) -> None:
        self._blocks.pop().__exit__(None, None, None)

    def roll_back(self) -> None:
        django_transaction.set_rollback(True)
        self.commit()

    roll_back_to_savepoint = roll_back

    def value(self, statement: str) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0]


class Opened:
    """Opens connections to one database and closes them all at the end."""

    def __init__(self, dsn: str, stack: ExitStack) -> None:
        self.dsn = dsn
        self.stack = stack

    def runner(self) -> asyncio.Runner:
        return self.stack.enter_context(asyncio.Runner())

    def asyncpg(self) -> Publisher:
        runner = self.runner()
        connection = runner.run(asyncpg.connect(self.dsn))
        self.stack.callback(lambda: runner.run(connection.close()))
        return Asyncpg(runner, connection)

    def asyncpg_pool(self) -> Publisher:
        runner = self.runner()
        pool = runner.run(_opened_pool(self.dsn))
        self.stack.callback(lambda: runner.run(pool.close()))
        connection = runner.run(_acquired(pool))
        self.stack.callback(lambda: runner.run(pool.release(connection)))
        return Asyncpg(runner, connection)

    def psycopg2(self, **options: Any) -> Publisher:
        connection = psycopg2.connect(self.dsn, **options)
        self.stack.callback(connection.close)
        return Psycopg(connection)

    def psycopg(self, **options: Any) -> Publisher:
        connection = psycopg.connect(self.dsn, **options)
        self.stack.callback(connection.close)
        return Psycopg(connection)

    def psycopg_async(self, **options: Any) -> Publisher:
        runner = self.runner()
        connection = runner.run(psycopg.AsyncConnection.connect(self.dsn, **options))
        self.stack.callback(lambda: runner.run(connection.close()))
        return PsycopgAsync(runner, connection)

    def engine(self, driver: str = "psycopg2") -> sqlalchemy.Engine:
        connect: Callable[[], Any] = {"psycopg": self._psycopg, "psycopg2": self._psycopg2}[driver]
        return sqlalchemy.create_engine(f"postgresql+{driver}://", creator=connect, poolclass=NullPool)

    def sqlalchemy(self, driver: str = "psycopg2") -> Publisher:
        return SqlAlchemy(self.stack.enter_context(self.engine(driver).connect()))

    def sqlalchemy_session(self, driver: str = "psycopg2") -> Publisher:
        return SqlAlchemy(self.stack.enter_context(Session(self.engine(driver))))

    def sqlalchemy_async(self, session: bool = False) -> Publisher:
        runner = self.runner()
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(self.dsn), poolclass=NullPool
        )
        connection: AsyncConnection | AsyncSession = AsyncSession(engine) if session else engine.connect()
        runner.run(connection.__aenter__())
        self.stack.callback(lambda: runner.run(connection.__aexit__(None, None, None)))
        return SqlAlchemyAsync(runner, connection)

    def django(self) -> Publisher:
        use_django(self.dsn)
        self.stack.callback(django.db.connections.close_all)
        return Django()

    def _psycopg(self) -> Any:
        return psycopg.connect(self.dsn)

    def _psycopg2(self) -> Any:
        return psycopg2.connect(self.dsn)


DRIVERS: dict[str, Callable[[Opened], Publisher]] = {
    "asyncpg": Opened.asyncpg,
    "asyncpg-pool": Opened.asyncpg_pool,
    "psycopg2": Opened.psycopg2,
    "psycopg": Opened.psycopg,
    "psycopg-async": Opened.psycopg_async,
    "sqlalchemy-psycopg2": Opened.sqlalchemy,
    "sqlalchemy-psycopg": lambda opened: opened.sqlalchemy("psycopg"),
    "sqlalchemy-session": Opened.sqlalchemy_session,
    "sqlalchemy-async": Opened.sqlalchemy_async,
    "sqlalchemy-async-session": lambda opened: opened.sqlalchemy_async(session=True),
    "django": Opened.django,
}


@contextmanager
def opened(dsn: str) -> Iterator[Opened]:
    """Open connections to the database, and close them at the end."""
    with ExitStack() as stack:
        yield Opened(dsn, stack)


def use_django(dsn: str) -> None:
    """Let `django.db.connection` lead to this database, as if the settings said so."""
    if not settings.configured:
        settings.configure(USE_TZ=True, LOGGING_CONFIG=None)
    django.setup()
    part = conninfo_to_dict(dsn)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": part["dbname"],
        "USER": part["user"],
        "HOST": part["host"],
        "PORT": part.get("port", ""),
    }
    django.db.connections.settings = django.db.connections.configure_settings({"default": database})
    if hasattr(django.db.connections._connections, "default"):
        del django.db.connections["default"]


async def _opened_pool(dsn: str) -> Any:
    return await asyncpg.create_pool(dsn, min_size=1, max_size=1)


async def _acquired(pool: Any) -> Any:
    return await pool.acquire()
