"""What sql/roles.sql allows each role, cell by cell, and that nobody gets more by it."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from relay.shipped_files import shipped
from relay.store import migrate
from relay.store.migrate import MigrationError
from relay.store.migrations import Migration, shipped_migrations
from tests.support.database import VERSIONS, Connection, Servers, connected
from tests.support.psql import psql
from tests.support.secrets import SECRET

ROLES = ("relay_app", "relay_daemon", "relay_reader")
APP, DAEMON, READER = ({role} for role in ROLES)
NOBODY: set[str] = set()

SETTABLE = {
    "id": "gen_random_uuid()", "event_type": "'a'", "payload": "'1'", "body": "null", "content_type": "null",
    "tenant": "'t'", "ordering_key": "'o'", "sequence": "1", "endpoint_id": "gen_random_uuid()",
    "headers": "'{}'", "deliver_at": "now()", "expires_at": "now() + interval '1 day'", "dedupe_key": "'d'",
    "traceparent": f"'00-{'a' * 32}-{'b' * 16}-01'",
}  # fmt: skip
TABLES = (
    "fresh", "setting", "endpoint", "endpoint_secret", "endpoint_condition", "pause", "delivery", "attempt",
    "unrouted", "cancellation", "relay_instance", "audit", "admin_token", "operation", "operation_delivery",
    "admin_session", "sign_in_code", "idempotency_key", "alert",
)  # fmt: skip
READ_ONLY = ("registry", "subscription", "schema_migration", "last_look")
VIEWS = ("delivery_log", "delivery_status", "endpoint_health", "backlog", "event")

EVERY_COLUMN = f"insert into relay.outbox ({', '.join(SETTABLE)}) values ({', '.join(SETTABLE.values())})"
EVENT = "insert into relay.outbox (event_type, payload) values ('a', '1')"
ENDPOINT = "insert into relay.endpoint (url) values ('https://example.com')"
CELLS: list[tuple[str, set[str]]] = [
    (f"{EVERY_COLUMN} returning id, seq", APP | DAEMON),
    (f"{EVENT} on conflict do nothing", APP | DAEMON),
    ("select id, seq from relay.outbox", APP | DAEMON),
    ("select relay.publish('a', '1')", APP | DAEMON),
    ("select relay.publish('a', '1'::json)", APP | DAEMON),
    ("select relay.publish('a', '1'::jsonb, dedupe_key => 'k')", APP | DAEMON),
    ("select relay.cancel(gen_random_uuid())", APP | DAEMON),
    ("select relay.event_of_dedupe_key('', 'k')", APP | DAEMON),
    # seq and created_at are Relay's
    ("insert into relay.outbox (event_type, payload, created_at) values ('a', '1', now())", DAEMON),
    (
        "insert into relay.outbox (seq, event_type, payload) overriding system value values (1, 'a', '1')",
        DAEMON,
    ),
    ("select payload from relay.outbox", DAEMON),
    ("select dedupe_key from relay.outbox", DAEMON),
    (f"{EVENT} returning payload", DAEMON),
    ("update relay.outbox set payload = '2'", DAEMON),
    ("delete from relay.outbox", DAEMON),
    ("truncate relay.outbox", NOBODY),
    *((f"select * from relay.{table}", DAEMON) for table in (*TABLES, *READ_ONLY)),
    *((f"delete from relay.{table}", DAEMON) for table in TABLES),
    *((f"delete from relay.{table}", NOBODY) for table in READ_ONLY),
    *((f"truncate relay.{table}", NOBODY) for table in (*TABLES, *READ_ONLY)),
    *((f"select * from relay.{view}", DAEMON | READER) for view in VIEWS),
    ("insert into relay.fresh (seq, size) values (1, 1)", DAEMON),
    ("insert into relay.delivery (event_seq, endpoint_id, size) values (1, gen_random_uuid(), 1)", DAEMON),
    ("update relay.delivery set state = 'dead'", DAEMON),
    (ENDPOINT, DAEMON),
    (f"with e as ({ENDPOINT} returning id) select id from e", DAEMON),
    ("update relay.endpoint set state = 'paused'", DAEMON),
    ("insert into relay.pause (tenant) values (null)", DAEMON),
    ("update relay.registry set version = 0", NOBODY),
    ("update relay.last_look set number = 1", DAEMON),
    ("insert into relay.audit (actor, action, object) values ('a', 'b', 'c')", DAEMON),
    ("insert into relay.cancellation (event_id) values (gen_random_uuid())", DAEMON),
    ("update relay.setting set value = 1", DAEMON),
    ("select setval('relay.armed_until', 1)", DAEMON),
    ("select last_value from relay.armed_until", DAEMON),
    ("select relay.make_partitions(20)", DAEMON),
    ("select relay.log_begins()", DAEMON),
    ("select relay.oldest_partition(now())", DAEMON),
    ("select relay.detach_partition('attempt_20200101')", DAEMON),
    ("select relay.keep_attempts('attempt_20200101', 0, 10) from relay.log_begins() where false", DAEMON),
    ("select relay.drop_partition('attempt_20200101')", DAEMON),
    ("create table relay.mine (id int)", NOBODY),
    ("create function relay.mine() returns int language sql as 'select 1'", NOBODY),
    ("alter table relay.outbox add column mine int", NOBODY),
    ("alter table relay.attempt detach partition relay.attempt_default", NOBODY),
    ("drop table relay.attempt_default", NOBODY),
    ("drop view relay.backlog", NOBODY),
    ("alter table relay.outbox disable trigger outbox_inserted", NOBODY),
    ("create index on relay.outbox (tenant)", NOBODY),
    ("grant relay_owner to current_user", NOBODY),
]


def next_migration() -> Migration:
    return Migration.parse(
        f"{len(shipped_migrations()) + 1:04}_note.sql", "-- breaking: no\ncreate table relay.note (id int);"
    )


def roles_sql() -> str:
    return shipped("sql/roles.sql").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=VERSIONS)
def database_with_roles(database_servers: Servers, request: pytest.FixtureRequest) -> Iterator[str]:
    with database_servers[request.param].fresh() as dsn:
        done = psql(dsn, roles_sql())
        assert done.returncode == 0, done.stderr
        yield dsn


@pytest.fixture
async def administrator(database_with_roles: str) -> AsyncIterator[Connection]:
    async with connected(database_with_roles) as connection:
        await connection.execute("begin")
        yield connection
        await connection.execute("rollback")


async def is_allowed(connection: Connection, role: str, statement: str) -> bool:
    """Return whether a role may run a statement; what it did is rolled back."""
    await connection.execute(f"savepoint cell; set local session authorization {role}")
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await connection.execute("rollback to savepoint cell")
    return True


@pytest.mark.parametrize(("statement", "allowed"), CELLS, ids=[statement[:60] for statement, _ in CELLS])
async def test_who_may_do_what(administrator: Connection, statement: str, allowed: set[str]) -> None:
    found = {role for role in ROLES if await is_allowed(administrator, role, statement)}
    assert found == allowed


async def test_every_table_and_view_is_in_the_table_of_rights(administrator: Connection) -> None:
    rows = await administrator.fetch(
        "select relname from pg_class where relnamespace = 'relay'::regnamespace and relkind in ('r', 'p', 'v')"
        " and not relispartition"
    )
    assert {row["relname"] for row in rows} == {"outbox", *TABLES, *READ_ONLY, *VIEWS}


async def test_an_application_may_copy_into_the_outbox(administrator: Connection) -> None:
    await administrator.execute("set local session authorization relay_app")
    done = await administrator.copy_records_to_table(
        "outbox", schema_name="relay", columns=["event_type", "payload"], records=[("a", "1"), ("b", "2")]
    )
    assert done == "COPY 2"


async def test_an_application_hears_why_its_event_is_refused(administrator: Connection) -> None:
    await administrator.execute("set local session authorization relay_app")
    with pytest.raises(asyncpg.CheckViolationError, match="'a b' is not a dotted name"):
        await administrator.execute("insert into relay.outbox (event_type, payload) values ('a b', '1')")


async def test_the_daemon_manages_endpoints_with_their_secrets(administrator: Connection) -> None:
    await administrator.execute("set local session authorization relay_daemon")
    await administrator.execute(
        f"with e as ({ENDPOINT} returning id) insert into relay.endpoint_secret (endpoint_id, sealed)"
        f" select id, '{SECRET}' from e"
    )
    await administrator.execute("update relay.endpoint set event_types = '{a.*}'")
    await administrator.execute("delete from relay.endpoint")
    assert await administrator.fetchval("select count(*) from relay.subscription") == 0


async def test_the_roles_can_be_applied_again_and_take_away_what_is_not_listed(
    database_with_roles: str,
) -> None:
    async with connected(database_with_roles) as connection:
        await connection.execute(
            "grant select on relay.outbox, relay.endpoint_secret to relay_reader, public"
        )
        await connection.execute("grant update (payload) on relay.outbox to relay_app")
        done = psql(database_with_roles, roles_sql())
        assert done.returncode == 0, done.stderr
        await connection.execute("begin")
        for role in ("relay_app", "relay_reader"):
            assert not await is_allowed(connection, role, "select payload from relay.outbox")
            assert not await is_allowed(connection, role, "select sealed from relay.endpoint_secret")
        assert not await is_allowed(connection, "relay_app", "update relay.outbox set payload = '2'")
        await connection.execute("rollback")


async def test_the_owner_owns_everything_and_none_of_the_roles_can_log_in(administrator: Connection) -> None:
    strangers = await administrator.fetch(
        "select relname::text from pg_class where relnamespace = 'relay'::regnamespace"
        " and relowner <> 'relay_owner'::regrole"
        " union all select proname from pg_proc where pronamespace = 'relay'::regnamespace"
        " and proowner <> 'relay_owner'::regrole"
        " union all select nspname from pg_namespace where nspname = 'relay' and nspowner <> 'relay_owner'::regrole"
    )
    assert strangers == []
    logins = await administrator.fetch("select from pg_roles where rolname like 'relay\\_%' and rolcanlogin")
    assert logins == []


async def test_a_login_of_the_owner_migrates_and_the_owner_gets_what_it_makes(database: str) -> None:
    assert psql(database, roles_sql()).returncode == 0
    note = next_migration()
    async with connected(database) as connection:
        name = await connection.fetchval("select quote_ident(current_database())")
        await connection.execute(
            "create role migrator login; grant relay_owner to migrator;"
            f" alter role migrator in database {name} set role = 'relay_owner'"
        )
        try:
            applied = await migrate.up(
                database.replace("postgres@", "migrator@"), migrations=(*shipped_migrations(), note)
            )
            assert applied == [note]
            owner = await connection.fetchval("select tableowner from pg_tables where tablename = 'note'")
            assert owner == "relay_owner"
        finally:
            await connection.execute("drop role migrator")


async def test_the_daemons_login_can_tell_whether_the_schema_fits_and_may_not_change_it(
    database: str,
) -> None:
    assert psql(database, roles_sql()).returncode == 0
    note = next_migration()
    async with connected(database) as connection:
        await connection.execute("create role daemon_login login in role relay_daemon")
        try:
            dsn = database.replace("postgres@", "daemon_login@")
            assert (await migrate.check(dsn)).is_ok
            with pytest.raises(MigrationError, match="connect as the owner"):
                await migrate.up(dsn, migrations=(*shipped_migrations(), note))
        finally:
            await connection.execute("drop role daemon_login")


async def test_the_roles_need_the_schema_first(empty_database: str) -> None:
    done = psql(empty_database, roles_sql())
    assert done.returncode != 0
    assert "Run relay migrate up first" in done.stderr
