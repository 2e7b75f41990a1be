"""The migrations that ship with this code, and the SQL that each of them is, bookkeeping included."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from relay.shipped_files import shipped

LOCK_KEY = 1_919_250_537
"""The advisory lock that a runner holds while it migrates: a constant of our own, below 2³¹."""

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_BREAKING = re.compile(r"^-- breaking: (yes|no)$", re.MULTILINE)

_BOOKKEEPING = """\
create table relay.schema_migration (
  version integer primary key,
  name text not null,
  checksum text not null,
  breaking boolean not null,
  applied_at timestamptz not null default now()
);

comment on column relay.schema_migration.breaking is 'Code that does not know this migration must not run.';
"""

# A migration must not depend on the search path or the limits of whoever runs it, and must not queue for
# long: behind a DDL that waits for its lock, every application's INSERT waits too.
PREPARE = f"""\
set local lock_timeout = '5s';
set local statement_timeout = 0;
set local idle_in_transaction_session_timeout = 0;
set local search_path = pg_catalog, pg_temp;
do $$ begin perform pg_advisory_xact_lock({LOCK_KEY}); end $$;
"""

_HEAD = r"""-- Relay's schema, migrations {first} to {last}, for psql.
-- One transaction a migration; it stops at the first error.
\set ON_ERROR_STOP on
set client_encoding = 'UTF8';

do $$
begin
  if current_setting('server_version_num')::int < 150000 then
    raise exception 'Relay needs PostgreSQL 15 or later, this is %', current_setting('server_version');
  end if;
  if current_setting('server_encoding') <> 'UTF8' then
    raise exception 'Relay needs a database in UTF8, this one is in %', current_setting('server_encoding');
  end if;
end
$$;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema.

    `checksum` is the SHA-256 of the file's text in hex. `breaking`: code that does not know this migration
    must not work on a database that has it.
    """

    version: int
    name: str
    sql: str
    checksum: str
    breaking: bool

    def __str__(self) -> str:
        return f"{self.version:04}_{self.name}"

    @classmethod
    def parse(cls, file_name: str, sql: str) -> "Migration":
        """Read a migration from its file's name (`0002_what.sql`) and text.

        Raises:
            ValueError: The name has another form, or the line `-- breaking: yes|no` is missing.
        """
        named, marked = _FILE.fullmatch(file_name), _BREAKING.search(sql)
        if named is None:
            raise ValueError(f"migration {file_name!r}: name it as in 0002_what_it_does.sql")
        if marked is None:
            raise ValueError(f"migration {file_name!r} has no line '-- breaking: yes' or '-- breaking: no'")
        return cls(
            version=int(named[1]),
            name=named[2],
            sql=sql,
            checksum=hashlib.sha256(sql.encode()).hexdigest(),
            breaking=marked[1] == "yes",
        )

    @property
    def script(self) -> str:
        """The SQL to run in one transaction: the migration and its row in `relay.schema_migration`.

        The row comes first, so that a second runner clashes with it and not with half of a migration; only
        the first migration makes the schema that the row needs.
        """
        # Safe to write as text: the name and the checksum have no character that could end a literal.
        row = (
            "insert into relay.schema_migration (version, name, checksum, breaking)\n"
            f"values ({self.version}, '{self.name}', '{self.checksum}', {str(self.breaking).lower()});\n"
        )
        body = self.sql.rstrip("\n") + "\n"
        parts = (body, _BOOKKEEPING, row) if self.version == 1 else (row, body)
        return "\n".join(parts)


@cache
def shipped_migrations() -> tuple[Migration, ...]:
    """Return the migrations of this code, oldest first."""
    return read_migrations(shipped("sql") / "migrations")


def read_migrations(folder: Path) -> tuple[Migration, ...]:
    """Return the migrations in a folder, oldest first.

    Raises:
        ValueError: A file is no migration, or the numbers are not 1, 2, 3 and so on.
    """
    found = sorted(
        (Migration.parse(path.name, path.read_text(encoding="utf-8")) for path in folder.glob("*.sql")),
        key=lambda migration: migration.version,
    )
    numbers = [migration.version for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations in {folder} are numbered {numbers}, not 1, 2, 3 and so on")
    return tuple(found)


def sql_text(migrations: Iterable[Migration] | None = None, *, after: int = 0) -> str:
    """Return the script for psql that does what `up` does; the same for the same migrations.

    Args:
        migrations: What to print; None: those of this code.
        after: The version that the database is at; 0: it has nothing yet.
    """
    chosen = [
        each for each in (shipped_migrations() if migrations is None else migrations) if each.version > after
    ]
    if not chosen:
        return f"-- Nothing to do: there is no migration after {after:04}.\n"
    head = _HEAD.format(first=f"{chosen[0].version:04}", last=f"{chosen[-1].version:04}")
    return "\n".join((head, *(_transaction(each) for each in chosen)))


def _transaction(migration: Migration) -> str:
    return f"begin;\n{PREPARE}\n{migration.script}\ncommit;\n"
