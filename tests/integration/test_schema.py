"""The schema itself: what is committed as its dump, the registry's triggers, the partitions of the log."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from tests.support import schema_dump
from tests.support.database import Connection, connected
from tests.support.rows import add_attempt, add_endpoint
from tests.support.secrets import SECRET

PARTITIONS = """
select c.relname
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'relay.attempt'::regclass
order by c.relname
"""


def test_the_committed_dump_is_what_the_migrations_make(database: str) -> None:
    assert schema_dump.SCHEMA_FILE.read_text(encoding="utf-8") == schema_dump.dump(database), (
        "run `make schema`"
    )


async def revision(connection: Connection, endpoint_id: UUID) -> int:
    found: int = await connection.fetchval("select revision from relay.endpoint where id = $1", endpoint_id)
    return found


async def registry(connection: Connection) -> tuple[int, int]:
    row = await connection.fetchrow("select version, reload_from from relay.registry")
    assert row is not None
    return row["version"], row["reload_from"]


async def test_a_change_of_an_endpoint_gives_it_the_registrys_new_version(rolled_back: Connection) -> None:
    first = await add_endpoint(rolled_back)
    second = await add_endpoint(rolled_back)
    before, reload_from = await registry(rolled_back)
    assert await revision(rolled_back, second) == before > await revision(rolled_back, first)
    await rolled_back.execute("update relay.endpoint set url = 'https://example.org' where id = $1", first)
    assert await registry(rolled_back) == (before + 1, reload_from)
    assert await revision(rolled_back, first) == before + 1
    assert await revision(rolled_back, second) == before


@pytest.mark.parametrize(
    "change",
    [
        f"insert into relay.endpoint_secret (endpoint_id, sealed) select id, '{SECRET}' from relay.endpoint",
        "update relay.endpoint_secret set expires_at = now()",
        "delete from relay.endpoint_secret",
    ],
)
async def test_a_change_of_a_secret_is_a_change_of_its_endpoint(rolled_back: Connection, change: str) -> None:
    endpoint_id = await add_endpoint(rolled_back)
    before, reload_from = await registry(rolled_back)
    await rolled_back.execute(change)
    assert await registry(rolled_back) == (before + 1, reload_from)
    assert await revision(rolled_back, endpoint_id) == before + 1


@pytest.mark.parametrize(
    "change",
    [
        "delete from relay.endpoint",
        "truncate relay.endpoint cascade",
        "insert into relay.pause (tenant) values (null)",
        "insert into relay.pause (tenant) values ('t'); delete from relay.pause",
    ],
)
async def test_what_a_reader_cannot_see_row_by_row_makes_it_read_everything(
    rolled_back: Connection, change: str
) -> None:
    await add_endpoint(rolled_back)
    before, _ = await registry(rolled_back)
    await rolled_back.execute(change)
    version, reload_from = await registry(rolled_back)
    assert version == reload_from > before


async def test_everything_can_be_paused_only_once(rolled_back: Connection) -> None:
    await rolled_back.execute("insert into relay.pause (tenant) values (null), ('a')")
    with pytest.raises(asyncpg.UniqueViolationError):
        await rolled_back.execute("insert into relay.pause (tenant) values (null)")


async def test_every_change_of_the_registry_wakes_the_relay(any_database: str) -> None:
    heard: list[str] = []
    async with connected(any_database) as relay, connected(any_database) as operator:
        for channel in ("relay_wake", "fence"):
            await relay.add_listener(channel, lambda *said: heard.append(said[2]))
        endpoint_id = await add_endpoint(operator, has_secret=False)
        await operator.execute(
            f"insert into relay.endpoint_secret (endpoint_id, sealed) values ($1, '{SECRET}')",
            endpoint_id,
        )
        await operator.execute("insert into relay.pause (tenant) values (null)")
        await operator.execute("delete from relay.endpoint")
        await relay.execute("notify fence")
    assert heard == ["relay_wake"] * 4 + ["fence"]


async def subscriptions(connection: Connection, endpoint_id: UUID) -> set[tuple[str, str]]:
    rows = await connection.fetch(
        "select tenant, pattern from relay.subscription where endpoint_id = $1", endpoint_id
    )
    return {(row["tenant"], row["pattern"]) for row in rows}


async def test_event_types_are_exploded_into_subscriptions(rolled_back: Connection) -> None:
    endpoint_id = await add_endpoint(rolled_back, tenant="t", event_types=("a.*", "b", "b"))
    other = await add_endpoint(rolled_back)
    assert await subscriptions(rolled_back, endpoint_id) == {("t", "a.*"), ("t", "b")}
    await rolled_back.execute(
        "update relay.endpoint set event_types = '{c}', tenant = 'u' where id = $1", endpoint_id
    )
    assert await subscriptions(rolled_back, endpoint_id) == {("u", "c")}
    await rolled_back.execute("update relay.endpoint set removed_at = now() where id = $1", endpoint_id)
    assert await subscriptions(rolled_back, endpoint_id) == set()
    assert await subscriptions(rolled_back, other) == {("", "*")}
    await rolled_back.execute("delete from relay.endpoint")
    assert await rolled_back.fetchval("select count(*) from relay.subscription") == 0


@pytest.mark.parametrize("patterns", ["{*}", "{a}", "{a.*,b.c-d.*,E_1}", "{" + "a" * 255 + "}"])
async def test_a_list_of_patterns_is_taken(rolled_back: Connection, patterns: str) -> None:
    await rolled_back.execute(
        "insert into relay.endpoint (url, event_types) values ('https://example.com', $1::text::text[])",
        patterns,
    )


@pytest.mark.parametrize(
    "patterns",
    [
        "{}",
        "{a,NULL}",
        '{""}',
        "{a.**}",
        "{*.a}",
        "{a*}",
        "{a.*.b}",
        "{.a}",
        "{a.}",
        '{"a b"}',
        "{" + "a" * 256 + "}",
    ],
)
async def test_a_bad_list_of_patterns_is_refused_and_says_what_to_do(
    rolled_back: Connection, patterns: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="has an entry that is no pattern") as refused:
        await rolled_back.execute(
            "insert into relay.endpoint (url, event_types) values ('https://example.com', $1::text::text[])",
            patterns,
        )
    assert "a prefix such as invoice.*" in str(refused.value.hint)


async def test_the_reason_of_a_disabled_endpoint_goes_when_it_is_resumed(rolled_back: Connection) -> None:
    await add_endpoint(rolled_back)
    await rolled_back.execute("update relay.endpoint set state = 'disabled', disabled_reason = 'gone'")
    assert await rolled_back.fetchval("select disabled_reason from relay.endpoint") == "gone"
    await rolled_back.execute("update relay.endpoint set state = 'active'")
    assert await rolled_back.fetchval("select disabled_reason from relay.endpoint") is None


async def test_partitions_reach_two_weeks_ahead_and_are_made_once(rolled_back: Connection) -> None:
    today = datetime.now(UTC).date()
    days = [f"attempt_{today + timedelta(days=ahead):%Y%m%d}" for ahead in range(15)]
    await rolled_back.execute(f"drop table relay.{days[3]}, relay.{days[14]}")
    assert await rolled_back.fetchval("select relay.make_partitions()") == 2
    assert await rolled_back.fetchval("select relay.make_partitions()") == 0
    assert [row["relname"] for row in await rolled_back.fetch(PARTITIONS)] == [*days, "attempt_default"]


async def test_a_partition_made_later_is_like_the_others(rolled_back: Connection) -> None:
    await rolled_back.execute("select relay.make_partitions(15)")
    shapes = await rolled_back.fetch(
        "select array(select replace(pg_get_indexdef(x.indexrelid), c.relname, 'x') as definition"
        " from pg_index x where x.indrelid = c.oid order by definition)::text as indexes"
        " from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = 'relay.attempt'::regclass"
    )
    assert len(shapes) == 17
    assert len({row["indexes"] for row in shapes}) == 1


@pytest.mark.parametrize(
    ("ago", "partition"),
    [("0", "today"), ("-400 days", "attempt_default"), ("400 days", "attempt_default")],
)
async def test_an_attempt_lands_in_its_day_or_else_in_the_default(
    rolled_back: Connection, ago: str, partition: str
) -> None:
    await add_attempt(rolled_back, 1, await add_endpoint(rolled_back), ago=ago)
    row = await rolled_back.fetchrow(
        "select tableoid::regclass::text as found,"
        " format('relay.attempt_%s', to_char(attempted_at at time zone 'UTC', 'YYYYMMDD')) as today"
        " from relay.attempt"
    )
    assert row is not None
    assert row["found"] == (row["today"] if partition == "today" else f"relay.{partition}")


async def test_a_day_whose_rows_lie_in_the_default_already_stays_there(rolled_back: Connection) -> None:
    await add_attempt(rolled_back, 1, await add_endpoint(rolled_back), ago="-16 days")
    assert await rolled_back.fetchval("select relay.make_partitions(17)") == 2
    assert await rolled_back.fetchval("select count(*) from relay.attempt_default") == 1


async def test_partitions_are_left_for_later_while_somebody_holds_the_log(any_database: str) -> None:
    async with connected(any_database) as reader, connected(any_database) as relay:
        await reader.execute("begin; lock table relay.attempt in access exclusive mode")
        assert await relay.fetchval("select relay.make_partitions(15)") == 0
        await reader.execute("rollback")
        assert await relay.fetchval("select relay.make_partitions(15)") == 1
