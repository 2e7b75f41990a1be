"""Brings a database to this code's schema, and says whether the two fit."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

from relay.store.migration_status import MigrationStatus, Verdict, compare, judge
from relay.store.migrations import LOCK_KEY, PREPARE, Migration, shipped_migrations, sql_text
from relay.store.session import AWAY, CAREFUL_SETTINGS, DatabaseAway

__all__ = [
    "Migration",
    "MigrationError",
    "MigrationStatus",
    "UnsupportedServer",
    "Verdict",
    "check",
    "check_server",
    "judge",
    "shipped_migrations",
    "sql_text",
    "status",
    "up",
]

LOCK_TRIES = 12
"""How often a migration asks for its locks, 5 seconds each time."""

_OLDEST_SERVER = 150000
_CONNECT_LIMIT = 10.0

_APPLIED = "select version, name, checksum, breaking, applied_at from relay.schema_migration order by version"
_HOLDERS = """
select distinct a.pid, a.application_name, a.xact_start
from pg_catalog.pg_locks l
join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.granted and l.pid <> pg_backend_pid() and l.database = a.datid and a.datname = current_database()
and (
  (l.locktype = 'advisory' and l.classid = 0 and l.objid = $1 and l.objsubid = 1)
  or l.relation in (select c.oid from pg_catalog.pg_class c where c.relnamespace = to_regnamespace('relay')))
order by a.xact_start
limit 3
"""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class MigrationError(Exception):
    """The migrations could not be applied; what was applied before stays, nothing is half done."""


class UnsupportedServer(Exception):  # noqa: N818 - it names what was found
    """The server is too old, or the database is not in UTF8."""


async def status(dsn: str, *, migrations: Iterable[Migration] | None = None) -> list[MigrationStatus]:
    """Return every migration that the database or this code knows, oldest first.

    Raises:
        DatabaseAway: There is no connection.
        UnsupportedServer: No Relay can work on this database.
    """
    async with _connected(dsn) as connection:
        return compare(_known(migrations), await _applied(connection))


async def check(dsn: str, *, migrations: Iterable[Migration] | None = None) -> Verdict:
    """Return whether this code may work on this database; errors as in `status`."""
    return judge(await status(dsn, migrations=migrations))


async def up(
    dsn: str,
    *,
    migrations: Iterable[Migration] | None = None,
    say: Callable[[str], None] = lambda _: None,
    tries: int = LOCK_TRIES,
) -> list[Migration]:
    """Apply what is pending, each migration in a transaction of its own, and return what was applied.

    Several runners at once are safe: they take turns.

    Args:
        dsn: The database, as a role that may create (the owner of the schema).
        migrations: All there are; None: those of this code.
        say: Told in a sentence when a migration waits for a lock.
        tries: How often it asks for its locks, 5 seconds each time.

    Raises:
        MigrationError: The database does not fit, a lock was not to be had, or a statement failed.
        DatabaseAway: The connection failed.
        UnsupportedServer: No Relay can work on this database.
    """
    known = _known(migrations)
    async with _connected(dsn) as connection:
        verdict = judge(compare(known, await _applied(connection)))
        if verdict.kind in ("newer", "diverged"):
            raise MigrationError(verdict.message)
        return [each for each in known if await _apply_patiently(connection, each, say, tries)]


async def check_server(connection: Connection) -> None:
    """Check that Relay can work on this connection's server and database.

    Raises:
        UnsupportedServer: PostgreSQL is older than 15, or the database is not in UTF8.
    """
    row = await connection.fetchrow(
        "select current_setting('server_version_num')::int as number,"
        " current_setting('server_version') as version,"
        " current_setting('server_encoding') as encoding, current_database() as name"
    )
    if row is None or row["number"] < _OLDEST_SERVER:
        version = row and row["version"]
        raise UnsupportedServer(f"Relay needs PostgreSQL 15 or later, the server is {version}; upgrade it")
    if row["encoding"] != "UTF8":
        raise UnsupportedServer(
            f"Relay needs a database in UTF8, {row['name']} is in {row['encoding']}; "
            "create one with: createdb --encoding=UTF8 --template=template0 NAME"
        )


def _known(migrations: Iterable[Migration] | None) -> tuple[Migration, ...]:
    return shipped_migrations() if migrations is None else tuple(migrations)


async def _applied(connection: Connection) -> dict[int, asyncpg.Record]:
    """Return the rows of the bookkeeping by version; none if there is no table yet."""
    if await connection.fetchval("select to_regclass('relay.schema_migration')") is None:
        return {}
    return {row["version"]: row for row in await connection.fetch(_APPLIED)}


async def _apply_patiently(
    connection: Connection, migration: Migration, say: Callable[[str], None], tries: int
) -> bool:
    """Apply one migration, or leave it if it is applied; return which."""
    for attempt in range(1, tries + 1):
        try:
            return await _apply(connection, migration)
        except asyncpg.LockNotAvailableError:
            holders = await _holders(connection)
            say(f"migration {migration} waits for a lock ({attempt} of {tries}){holders}")
            # Those who queued behind us go first.
            await asyncio.sleep(0.2)
        except asyncpg.PostgresError as error:
            if isinstance(error, AWAY):
                raise
            message = f"migration {migration} failed and was rolled back: {error}"
            raise MigrationError(f"{message}{_cure(error)}") from error
    raise MigrationError(
        f"migration {migration} did not get its locks in {tries} tries of 5 seconds{holders}; "
        "end the transactions that hold them, then run `relay migrate up` again"
    )


async def _apply(connection: Connection, migration: Migration) -> bool:
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(PREPARE)
        if migration.version in await _applied(connection):
            return False
        await connection.execute(migration.script)
        return True


async def _holders(connection: Connection) -> str:
    """Name the sessions that hold locks on Relay's tables, as far as this role may see them."""
    rows = await connection.fetch(_HOLDERS, LOCK_KEY)
    if not rows:
        return ""
    return ", held by " + ", ".join(
        f"pid {row['pid']} ({row['application_name'] or 'unnamed'})" for row in rows
    )


def _cure(error: asyncpg.PostgresError) -> str:
    match error:
        case asyncpg.DuplicateSchemaError():
            return (
                "; there is a schema of that name that Relay did not make: rename it, or use another database"
            )
        case asyncpg.InsufficientPrivilegeError():
            return "; connect as the owner of the schema, or as one who may create schemas in this database"
        case _:
            return ""


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Connection]:
    """Open a connection to a server that Relay can work on, and close it afterwards."""
    settings = {"application_name": "relay migrate", **CAREFUL_SETTINGS}
    try:
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_LIMIT, server_settings=settings)
        try:
            await check_server(connection)
            yield connection
        finally:
            await _close(connection)
    except (OSError, TimeoutError, asyncpg.InterfaceError, *AWAY) as error:
        raise DatabaseAway(f"{type(error).__name__}: {error}") from error


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=1.0)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
