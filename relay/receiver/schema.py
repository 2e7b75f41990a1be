"""The inbox's schema, `relay_inbox`, in the receiver's own database: made, brought up to date, checked, or printed."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import asyncpg

from relay.receiver.statements import FOLDER

LOCK_KEY = 1_919_250_538
"""The advisory lock that keeps two who migrate apart: a constant of our own."""

Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)

_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_BOOKKEEPING = """\
create schema if not exists relay_inbox;

create table if not exists relay_inbox.schema_migration (
  version integer primary key,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default now()
);
"""
_APPLIED = "select version, checksum from relay_inbox.schema_migration order by version"


class InboxSchemaError(Exception):
    """The schema in the database is not the one that this code works with; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the schema; `checksum` is the SHA-256 of its file in hex."""

    version: int
    name: str
    sql: str
    checksum: str

    @property
    def script(self) -> str:
        """The step and its row in the bookkeeping, which comes first: a second runner clashes with it."""
        row = (
            "insert into relay_inbox.schema_migration (version, name, checksum)\n"
            f"values ({self.version}, '{self.name}', '{self.checksum}');\n"
        )
        return f"{row}\n{self.sql}"


@cache
def steps() -> tuple[Step, ...]:
    """Return the steps of this code, oldest first."""
    return tuple(
        Step(
            version=int(path.name[:4]),
            name=path.stem,
            sql=(sql := path.read_text(encoding="utf-8")),
            checksum=hashlib.sha256(sql.encode()).hexdigest(),
        )
        for path in sorted((FOLDER / "migrations").iterdir())
        if _FILE.fullmatch(path.name)
    )


def inbox_sql(after: int = 0) -> str:
    """Return the SQL that makes the schema, or brings it up to date, for psql or a migration tool.

    Args:
        after: The version that the database has; 0: none.
    """
    scripts = [step.script for step in steps() if step.version > after]
    return "\n".join(["begin;", *([] if after else [_BOOKKEEPING]), *scripts, "commit;", ""])


async def migrate(connection: Connection) -> int:
    """Bring the schema up to date in one transaction, and return how many steps were missing.

    Several at once are safe: they take turns.

    Raises:
        InboxSchemaError: The database has a newer schema, or another one of the same version.
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1::bigint)", LOCK_KEY)
        await connection.execute(_BOOKKEEPING)
        applied = await _applied(connection)
        _check_known(applied)
        missing = [step for step in steps() if step.version not in applied]
        for step in missing:
            await connection.execute(step.script)
    return len(missing)


async def check(connection: Connection) -> None:
    """Check that the schema is the one that this code works with.

    Raises:
        InboxSchemaError: It is not, or is not there.
    """
    try:
        applied = await _applied(connection)
    except (asyncpg.InvalidSchemaNameError, asyncpg.UndefinedTableError):
        applied = {}
    _check_known(applied)
    if len(applied) < len(steps()):
        raise InboxSchemaError("the inbox's schema is missing or old; call `await inbox.migrate()` once")


async def _applied(connection: Connection) -> dict[int, str]:
    return {row["version"]: row["checksum"] for row in await connection.fetch(_APPLIED)}


def _check_known(applied: dict[int, str]) -> None:
    known = {step.version: step.checksum for step in steps()}
    if unknown := sorted(set(applied.items()) - set(known.items())):
        raise InboxSchemaError(
            f"version {unknown[0][0]} of the inbox's schema is not the one that this code knows; "
            "install the version of outbox-relay that made it, or a later one"
        )
