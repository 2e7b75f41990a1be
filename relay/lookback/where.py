"""Events that match a condition in SQL, which somebody wrote who may know more than Relay does.

It may name the columns of `relay.event` and join the reader's own tables. It runs as a login of its own that may only
read, in a read-only transaction with a limit of time. What is volatile is refused before: a function that sleeps, sets
something or does something elsewhere is asked for by name, and PostgreSQL knows which those are.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg

CHUNK = 10_000
"""Events that are handed on at once."""
CONNECT_TIMEOUT = 10.0
_MIGHTY = (
    "select r.rolsuper or exists (select from pg_roles o where o.rolname in"
    " ('relay_owner', 'relay_daemon', 'pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program')"
    " and pg_has_role(r.oid, o.oid, 'member')) or has_table_privilege('relay.outbox', 'delete') as is_mighty"
    " from pg_roles r where r.rolname = current_user"
)
_QUERY = (
    "select seq from relay.event where ($1::timestamptz is null or created_at >= $1)"
    " and ($2::timestamptz is null or created_at < $2) and (\n{condition}\n) order by seq"
)
_DOES_THINGS = r"""
select distinct p.oid::regprocedure::text as name
from pg_rewrite r
cross join lateral regexp_matches(r.ev_action::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)', 'g') as m
join pg_proc p on p.oid = m[1]::oid
where r.ev_class = 'pg_temp.relay_where'::regclass
  and p.provolatile = 'v'
union
select distinct p.oid::regprocedure::text
from pg_rewrite r
cross join lateral regexp_matches(r.ev_action::text, ':opno ([0-9]+)', 'g') as m
join pg_operator o on o.oid = m[1]::oid
join pg_proc p on p.oid = o.oprcode
where r.ev_class = 'pg_temp.relay_where'::regclass
  and p.provolatile = 'v'
order by 1
"""


class WhereRefused(ValueError):  # noqa: N818 - it says what happened
    """The condition cannot be used, or took too long; the message says why and what to do."""


async def matching(
    reader_dsn: str, condition: str, *, since: datetime | None, until: datetime | None, limit: float
) -> AsyncIterator[list[int]]:
    """Yield the `seq` of the events that match, in chunks.

    Args:
        reader_dsn: A login that may only read.
        condition: SQL, as it would stand after WHERE.
        since: Only events inserted then or later.
        until: Only events inserted before.
        limit: Seconds that it may take.

    Raises:
        WhereRefused: The condition is wrong, does more than read, or took longer; or the login may do more, or
            cannot log in.
    """
    connection = await _connected(reader_dsn, limit)
    try:
        await _check(connection, condition)
        # The server's limit is one of each fetch; this is one of all together.
        async with asyncio.timeout(limit), connection.transaction(isolation="repeatable_read", readonly=True):
            # A condition is what this is for: the login may read, and nothing else.
            query = _QUERY.format(condition=condition)
            chunk: list[int] = []
            async for row in connection.cursor(query, since, until, prefetch=CHUNK, timeout=limit + 5.0):
                chunk.append(row["seq"])
                if len(chunk) == CHUNK:
                    yield chunk
                    chunk = []
            if chunk:
                yield chunk
    except (asyncpg.QueryCanceledError, TimeoutError) as error:
        raise WhereRefused(
            f"--where took longer than {limit:g} s and was stopped; narrow it with --since and --until, "
            "add an index, or give it more time with --where-timeout"
        ) from error
    except (
        asyncpg.SyntaxOrAccessError, asyncpg.DataError, asyncpg.ReadOnlySQLTransactionError,
        asyncpg.FeatureNotSupportedError, asyncpg.InvalidTransactionStateError, asyncpg.InterfaceError,
    ) as error:  # fmt: skip
        raise WhereRefused(f"--where: {error}{_hint(error)}") from error
    finally:
        await connection.close(timeout=5.0)


async def _connected(reader_dsn: str, limit: float) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        return await asyncpg.connect(
            reader_dsn,
            timeout=CONNECT_TIMEOUT,
            server_settings={
                "application_name": "relay replay",
                "default_transaction_read_only": "on",
                "statement_timeout": f"{max(int(limit * 1000), 1)}",
                "lock_timeout": "5s",
                "idle_in_transaction_session_timeout": f"{max(int(limit * 1000), 1) + 60_000}",
            },
        )
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise WhereRefused(f"database.reader_dsn cannot be used: {type(error).__name__}: {error}") from error


async def _check(connection: "asyncpg.Connection[asyncpg.Record]", condition: str) -> None:
    """Refuse a login that may do more than read, and a condition that does.

    The condition becomes a temporary view, which parses it and runs nothing of it, and goes again.
    """
    if await connection.fetchval(_MIGHTY):
        raise WhereRefused(
            "the login in database.reader_dsn may do more than read: make one that has the role relay_reader alone"
        )
    checking = connection.transaction(readonly=False)
    await checking.start()
    try:
        try:
            await connection.execute("set transaction read write")
        except asyncpg.PostgresError as error:
            raise WhereRefused(
                "database.reader_dsn leads to a replica; the condition is checked on the primary"
            ) from error
        # By a prepared statement: of those PostgreSQL takes one only, whatever the text closes and opens.
        view = await connection.prepare(
            f"create temporary view relay_where as select seq from relay.event where (\n{condition}\n)"  # noqa: S608
        )
        await view.fetch()
        volatile = [row["name"] for row in await connection.fetch(_DOES_THINGS)]
    finally:
        await checking.rollback()
    if volatile:
        raise WhereRefused(
            f"--where uses {', '.join(volatile)}, which may do more than read; only functions that PostgreSQL knows as "
            "stable or immutable are allowed (now() instead of clock_timestamp(), for example)"
        )


def _hint(error: Exception) -> str:
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return (
            "; the login of database.reader_dsn needs the role relay_reader, SELECT on the tables that are named, "
            "and TEMPORARY on the database"
        )
    hint = getattr(error, "hint", None)
    return f" ({hint})" if hint else ""
