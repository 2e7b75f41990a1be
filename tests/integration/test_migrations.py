"""What `relay migrate` promises."""

import asyncio
import dataclasses
import subprocess

import asyncpg
import pytest

from relay.shipped_files import shipped
from relay.store import migrate, migrations
from relay.store.migrate import MigrationError, UnsupportedServer
from relay.store.migrations import Migration, read_migrations, shipped_migrations, sql_text
from relay.store.session import DatabaseAway
from tests.support import schema_dump
from tests.support.database import VERSIONS, Servers, connected
from tests.support.psql import psql

SHIPPED = shipped_migrations()
VERSION = len(SHIPPED) + 1
FILE = f"{VERSION:04}_note.sql"
NEXT = Migration.parse(FILE, "-- Notes.\n-- breaking: no\ncreate table relay.note (id int);")
BREAKING = Migration.parse(FILE, "-- Notes.\n-- breaking: yes\ncreate table relay.note (id int);")
FAILING = Migration.parse(FILE, "-- breaking: no\ncreate table relay.note (id int);\nselect 1 / 0;")


async def bookkeeping(dsn: str) -> list[tuple[object, ...]]:
    async with connected(dsn) as connection:
        rows = await connection.fetch(
            "select version, name, checksum, breaking from relay.schema_migration order by version"
        )
    return [tuple(row) for row in rows]


async def test_up_makes_an_empty_database_fit(any_empty_database: str) -> None:
    assert (await migrate.check(any_empty_database)).kind == "pending"
    applied = await migrate.up(any_empty_database)
    assert applied == list(SHIPPED)
    assert (await migrate.check(any_empty_database)).is_ok
    assert await migrate.up(any_empty_database) == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_script_for_psql_leaves_exactly_what_up_leaves(
    database_servers: Servers, version: str
) -> None:
    server = database_servers[version]
    with server.fresh("template1") as by_psql, server.fresh("template1") as by_up:
        await migrate.up(by_up, migrations=(*SHIPPED, NEXT))
        done = psql(by_psql, sql_text((*SHIPPED, NEXT)))
        assert done.returncode == 0, done.stderr
        assert schema_dump.dump(by_psql) == schema_dump.dump(by_up)
        assert await bookkeeping(by_psql) == await bookkeeping(by_up)
        assert await migrate.up(by_psql, migrations=(*SHIPPED, NEXT)) == []


async def test_the_script_can_go_on_from_a_version(database: str) -> None:
    done = psql(database, sql_text((*SHIPPED, NEXT), after=len(SHIPPED)))
    assert done.returncode == 0, done.stderr
    assert (await migrate.check(database, migrations=(*SHIPPED, NEXT))).is_ok


async def test_the_script_changes_nothing_where_it_was_applied_already(database: str) -> None:
    before = await bookkeeping(database)
    done = psql(database, sql_text())
    assert done.returncode != 0
    assert "already exists" in done.stderr
    assert await bookkeeping(database) == before


def test_the_script_needs_no_database_and_is_always_the_same() -> None:
    assert sql_text() == sql_text()
    assert sql_text(after=len(SHIPPED)).startswith("-- Nothing to do")


async def test_runners_at_once_take_turns_and_apply_each_migration_once(any_empty_database: str) -> None:
    results = await asyncio.gather(
        *(migrate.up(any_empty_database, migrations=(*SHIPPED, NEXT)) for _ in range(4))
    )
    applied = [each for result in results for each in result]
    assert sorted(applied, key=lambda each: each.version) == [*SHIPPED, NEXT]


async def test_the_script_and_up_at_once_do_not_mix(empty_database: str) -> None:
    script = asyncio.to_thread(psql, empty_database, sql_text())
    done, applied = await asyncio.gather(script, migrate.up(empty_database), return_exceptions=True)
    assert isinstance(done, subprocess.CompletedProcess)
    assert done.returncode == 0 or applied
    assert await bookkeeping(empty_database) == [
        (each.version, each.name, each.checksum, each.breaking) for each in SHIPPED
    ]


async def test_a_migration_that_fails_leaves_nothing_behind(database: str) -> None:
    with pytest.raises(MigrationError, match=r"_note failed and was rolled back: division by zero"):
        await migrate.up(database, migrations=(*SHIPPED, FAILING))
    async with connected(database) as connection:
        assert await connection.fetchval("select to_regclass('relay.note')") is None
    assert len(await bookkeeping(database)) == len(SHIPPED)


async def test_code_that_does_not_know_a_breaking_migration_refuses(database: str) -> None:
    await migrate.up(database, migrations=(*SHIPPED, BREAKING))
    verdict = await migrate.check(database)
    assert verdict.kind == "newer"
    assert "_note" in verdict.message
    with pytest.raises(MigrationError, match="newer Relay"):
        await migrate.up(database)


async def test_code_goes_on_working_with_a_newer_migration_that_breaks_nothing(database: str) -> None:
    await migrate.up(database, migrations=(*SHIPPED, NEXT))
    assert (await migrate.check(database)).is_ok
    assert (await migrate.status(database))[-1].state == "unknown"


async def test_a_changed_migration_is_refused(database: str) -> None:
    changed = dataclasses.replace(SHIPPED[0], checksum="0" * 64)
    verdict = await migrate.check(database, migrations=(changed, *SHIPPED[1:]))
    assert verdict.kind == "diverged"
    assert "another text" in verdict.message
    with pytest.raises(MigrationError, match="another text"):
        await migrate.up(database, migrations=(changed, *SHIPPED[1:], NEXT))


async def test_a_migration_below_an_applied_one_is_refused(database: str) -> None:
    third = dataclasses.replace(NEXT, version=VERSION + 1)
    await migrate.up(database, migrations=(*SHIPPED, third))
    with pytest.raises(MigrationError, match="missing although a later one"):
        await migrate.up(database, migrations=(*SHIPPED, NEXT, third))


async def test_a_lock_that_is_not_to_be_had_is_named_with_its_holder(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "PREPARE", migrations.PREPARE.replace("'5s'", "'50ms'"))
    said: list[str] = []
    wants_lock = dataclasses.replace(NEXT, sql="alter table relay.outbox add column note text;")
    async with connected(database) as application, application.transaction():
        await application.execute("select from relay.outbox")
        pid = application.get_server_pid()
        with pytest.raises(MigrationError, match=rf"did not get its locks in 2 tries .* pid {pid} "):
            await migrate.up(database, migrations=(*SHIPPED, wants_lock), say=said.append, tries=2)
    assert len(said) == 2
    assert await migrate.up(database, migrations=(*SHIPPED, wants_lock), tries=1) == [wants_lock]


async def test_a_schema_of_another_make_is_told_from_ours(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        await connection.execute("create schema relay")
    with pytest.raises(MigrationError, match="Relay did not make"):
        await migrate.up(empty_database)


async def test_objects_of_strangers_are_not_called_by_a_migration(any_empty_database: str) -> None:
    async with connected(any_empty_database) as connection:
        await connection.execute("create table public.caught (who text)")
        await connection.execute(
            "create function public.clock_timestamp() returns timestamptz language sql as"
            " 'insert into public.caught values (current_user) returning now()'"
        )
        await connection.execute("alter role postgres in database " + await name_of(connection)
                                 + " set search_path = public, pg_catalog")  # fmt: skip
    await migrate.up(any_empty_database)
    async with connected(any_empty_database) as connection:
        default = await connection.fetchval(
            "select column_default from information_schema.columns where table_schema = 'relay'"
            " and table_name = 'outbox' and column_name = 'created_at'"
        )
    assert default == "pg_catalog.clock_timestamp()"


async def name_of(connection: "asyncpg.Connection[asyncpg.Record]") -> str:
    return str(await connection.fetchval("select quote_ident(current_database())"))


async def test_a_database_that_is_not_utf8_is_refused(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        name = f"{await name_of(connection)}_latin1"
        await connection.execute(f"create database {name} encoding 'LATIN1' locale 'C' template template0")
        try:
            dsn = empty_database.replace("?", "_latin1?")
            with pytest.raises(UnsupportedServer, match=r"UTF8.*is in LATIN1"):
                await migrate.up(dsn)
            assert "Relay needs a database in UTF8" in psql(dsn, sql_text()).stderr
        finally:
            await connection.execute(f"drop database {name} with (force)")


async def test_a_server_that_is_too_old_is_refused() -> None:
    class OldServer:
        async def fetchrow(self, _query: str) -> dict[str, object]:
            return {"number": 140012, "version": "14.12", "encoding": "UTF8", "name": "app"}

    with pytest.raises(UnsupportedServer, match=r"PostgreSQL 15 or later, the server is 14\.12"):
        await migrate.check_server(OldServer())  # type: ignore[arg-type] # as much of a connection as it needs


async def test_a_server_that_is_not_there_is_said_to_be_away() -> None:
    with pytest.raises(DatabaseAway):
        await migrate.status("postgresql://postgres@/relay?host=/nonexistent")


async def test_the_upgrade_to_cheaper_inserts_keeps_events_limit_rules_and_rights(
    any_empty_database: str,
) -> None:
    event = "insert into relay.outbox (event_type, payload) values ('a', '\"{}\"')"
    await migrate.up(any_empty_database, migrations=SHIPPED[:1])
    assert (
        psql(any_empty_database, (shipped("sql") / "roles.sql").read_text(encoding="utf-8")).returncode == 0
    )
    async with connected(any_empty_database) as application:
        await application.execute("update relay.setting set value = 30000")
        await application.execute("set role relay_app")
        await application.execute(event.format("first"))
        await migrate.up(any_empty_database)  # as a superuser, and roles.sql is not run again
        await application.execute(event.format("second"))
        with pytest.raises(asyncpg.CheckViolationError, match="'a b' is not a dotted name"):
            await application.execute("insert into relay.outbox (event_type, payload) values ('a b', '1')")
        with pytest.raises(asyncpg.CheckViolationError, match="30001 bytes is over the limit of 30000 bytes"):
            await application.execute(event.format("x" * 29_999))
        await application.execute("reset role")
        await application.execute("set role relay_daemon")
        await application.execute("update relay.setting set value = 40000")
        await application.execute(event.format("x" * 29_999))
        sizes = await application.fetch(
            "select f.size from relay.fresh f join relay.outbox using (seq) order by seq"
        )
        assert [row["size"] for row in sizes] == [7, 8, 30_001]
        assert await application.fetchval("select nextval('relay.look_number')") == 1


def test_the_shipped_migrations_are_numbered_without_gaps() -> None:
    assert [each.version for each in SHIPPED] == list(range(1, len(SHIPPED) + 1))


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("2_note.sql", "-- breaking: no\n", "name it as in"),
        ("0002_note.sql", "select 1;\n", "no line '-- breaking"),
    ],
)
def test_a_file_that_is_no_migration_is_refused(name: str, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Migration.parse(name, text)


def test_a_gap_in_the_numbers_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("migrations")
    (folder / "0002_note.sql").write_text("-- breaking: no\n", encoding="utf-8")
    with pytest.raises(ValueError, match="not 1, 2, 3"):
        read_migrations(folder)
