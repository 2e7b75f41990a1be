"""What applications may insert into relay.outbox, what is refused and how, and what is kept of it."""

import io
import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from tests.support.database import Connection, connected

GOOD: dict[str, object] = {"event_type": "good", "payload": "1"}
DEFAULTS = {"tenant": ""}


def insert_of(*events: dict[str, object]) -> str:
    """Return a statement that inserts events, their values as text literals of SQL."""
    names = sorted({name for event in events for name in event})
    rows = [", ".join(literal(event.get(name, DEFAULTS.get(name))) for name in names) for event in events]
    return f"insert into relay.outbox ({', '.join(names)}) values ({'), ('.join(rows)})"


def literal(value: object) -> str:
    return "null" if value is None else f"'{value}'"


async def insert(connection: Connection, **columns: object) -> int:
    """Insert one event; return its seq."""
    seq: int = await connection.fetchval(insert_of(columns) + " returning seq")
    return seq


async def insert_among_good_ones(connection: Connection, event: dict[str, object]) -> None:
    await connection.execute(insert_of(GOOD, event, GOOD))


async def copy(connection: Connection, event: dict[str, object]) -> None:
    line = ",".join('"' + str(value).replace('"', '""') + '"' for value in event.values())
    await connection.copy_to_table(
        "outbox",
        schema_name="relay",
        source=io.BytesIO(f"{line}\n".encode()),
        columns=list(event),
        format="csv",
    )


async def update(connection: Connection, event: dict[str, object]) -> None:
    """Give the newest of three good events these values."""
    await connection.execute(insert_of(GOOD, GOOD))
    seq = await insert(connection, **GOOD)
    values = {"payload": None, **event}
    changes = ", ".join(f"{name} = {literal(value)}" for name, value in values.items())
    await connection.execute(f"update relay.outbox set {changes} where seq = {seq}")


Write: TypeAlias = Callable[[Connection, dict[str, object]], Awaitable[None]]

BAD = [
    ({"payload": "{}", "event_type": ""}, "event_type '' is not a dotted name", "invoice.paid"),
    ({"payload": "{}", "event_type": "a..b"}, "'a..b' is not a dotted name", "invoice.paid"),
    ({"payload": "{}", "event_type": "a.*"}, "'a.*' is not a dotted name", "invoice.paid"),
    ({"payload": "{}", "event_type": "a b"}, "'a b' is not a dotted name", "invoice.paid"),
    ({"payload": "{}", "event_type": "a\n"}, "is not a dotted name", "invoice.paid"),
    ({"payload": "{}", "event_type": "é"}, "is not a dotted name", "invoice.paid"),
    ({"payload": "{}", "event_type": "a" * 256}, "is not a dotted name", "255 characters"),
    ({"event_type": "a"}, "exactly one of payload and body", "Set payload to a JSON text"),
    ({"event_type": "a", "payload": "{}", "body": "x"}, "exactly one of payload and body", "body and"),
    ({"event_type": "a", "payload": "{}", "content_type": "a/b"}, "goes with body only", "Leave it out"),
    ({"event_type": "a", "body": "x", "content_type": "text"}, "must be a media type", "text/csv"),
    ({"event_type": "a", "body": "x", "content_type": "a/b\r\nX: y"}, "must be a media type", "text/csv"),
    ({"event_type": "a", "payload": "{}", "headers": "[1]"}, "headers must be a JSON object", "X-Region"),
    ({"event_type": "a", "payload": "{}", "headers": '"x"'}, "headers must be a JSON object", "X-Region"),
    (
        {"event_type": "a", "payload": "{}", "deliver_at": "2030-01-02", "expires_at": "2030-01-01"},
        "expires_at is not after deliver_at",
        "later expires_at",
    ),
    ({"event_type": "a", "payload": "{}", "deliver_at": "infinity"}, "between the years", "send at once"),
    ({"event_type": "a", "payload": "{}", "expires_at": "infinity"}, "between the years", "never expires"),
    ({"event_type": "a", "payload": "{}", "traceparent": "00-x"}, "not a W3C trace context", "leave it out"),
    ({"event_type": "a", "payload": "{}", "tenant": "t" * 256}, "at most 255 characters", "hash"),
    ({"event_type": "a", "payload": "{}", "ordering_key": "k" * 256}, "at most 255 characters", "hash"),
    ({"event_type": "a", "payload": "{}", "dedupe_key": "k" * 256}, "at most 255 characters", "hash"),
]


@pytest.mark.parametrize(("columns", "message", "hint"), BAD)
async def test_a_bad_event_fails_in_the_applications_transaction_and_says_what_to_do(
    rolled_back: Connection, columns: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await insert(rolled_back, **columns)
    assert message in str(refused.value.message)
    assert hint in str(refused.value.hint)


@pytest.mark.parametrize("write", [insert_among_good_ones, copy, update])
@pytest.mark.parametrize(("columns", "message", "hint"), BAD)
async def test_every_way_to_write_an_event_keeps_the_rules(
    rolled_back: Connection, write: Write, columns: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await write(rolled_back, columns)
    assert message in str(refused.value.message)
    assert hint in str(refused.value.hint)


async def test_the_first_rule_that_is_broken_is_named(rolled_back: Connection) -> None:
    """In the order of their names, as PostgreSQL has it with constraints; the size comes last."""
    await rolled_back.execute("update relay.setting set value = 20000 where name = 'max_payload_bytes'")
    event: dict[str, object] = {
        "content_type": "text", "event_type": "a b", "deliver_at": "4000-01-01", "expires_at": "3999-01-01",
        "headers": "[]", "tenant": "t" * 256, "traceparent": "x",
    }  # fmt: skip
    cures: list[tuple[str, dict[str, object]]] = [
        ("content_type must be a media type", {"content_type": None}),
        ("is not a dotted name", {"event_type": "a"}),
        ("expires_at is not after deliver_at", {"expires_at": "4001-01-01"}),
        ("headers must be a JSON object", {"headers": "{}"}),
        ("at most 255 characters", {"tenant": ""}),
        ("exactly one of payload and body", {"body": "x" * 20_001}),
        ("between the years 1970 and 3000", {"deliver_at": None, "expires_at": None}),
        ("not a W3C trace context", {"traceparent": None}),
        ("20001 bytes is over the limit", {"body": "x"}),
    ]
    for message, cure in cures:
        with pytest.raises(asyncpg.CheckViolationError, match=message):
            async with rolled_back.transaction():
                await insert(rolled_back, **event)
        event |= cure
    assert await insert(rolled_back, **event) > 0


async def test_the_first_bad_event_of_a_statement_is_named_and_none_is_kept(
    any_connection: Connection,
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="'first one' is not a dotted name"):
        await any_connection.execute(
            insert_of(GOOD, {**GOOD, "event_type": "first one"}, {**GOOD, "event_type": "second one"}, GOOD)
        )
    assert await any_connection.fetchval("select count(*) from relay.outbox") == 0
    assert await any_connection.fetchval("select count(*) from relay.fresh") == 0


async def test_a_bad_event_is_refused_where_only_conflicts_are_to_be_passed_over(
    rolled_back: Connection,
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="exactly one of payload and body"):
        await rolled_back.execute(insert_of({"event_type": "a"}) + " on conflict do nothing")


async def test_the_rules_cost_an_insert_no_call_and_no_check(rolled_back: Connection) -> None:
    """A CHECK is made ready anew with every statement, and a function that is called costs more than all rules."""
    plan = await rolled_back.fetch(
        "explain (verbose, costs off) select relay.max_payload_bytes(), relay.broken_rule(event_type, payload, body,"
        " content_type, tenant, ordering_key, headers, deliver_at, expires_at, dedupe_key, traceparent)"
        " from relay.outbox"
    )
    assert "'traceparent_is_w3c'" in str(plan)
    assert "broken_rule" not in str(plan)
    assert "max_payload_bytes" not in str(plan)
    checks = "select count(*) from pg_constraint where conrelid = 'relay.outbox'::regclass and contype = 'c'"
    assert await rolled_back.fetchval(checks) == 0


async def test_what_is_not_json_is_refused_as_payload(rolled_back: Connection) -> None:
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await insert(rolled_back, event_type="a", payload="{")


@pytest.mark.parametrize(
    "columns",
    [
        {"event_type": "invoice.paid", "payload": "null"},
        {"event_type": "a-b_c.D9", "payload": "{}", "tenant": "t" * 255, "headers": '{"X-Region": "eu"}'},
        {"event_type": "a", "body": "", "content_type": "text/csv; charset=utf-8"},
        {"event_type": "a", "body": "x"},
        {"event_type": "a", "payload": "1", "deliver_at": "2030-01-01", "expires_at": "2030-01-02"},
        {
            "event_type": "a",
            "payload": "1",
            "expires_at": "2030-01-02",
            "sequence": -1,
            "endpoint_id": uuid4(),
        },
        {"event_type": "a", "payload": "1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"},
    ],
)
async def test_a_good_event_is_taken(rolled_back: Connection, columns: dict[str, object]) -> None:
    assert await insert(rolled_back, **columns) > 0


PAYLOADS = [
    ' { "b" : 1,\n\t"a":2 } ',
    '{"a":1,"a":2}',
    '{"nul":"\\u0000","lone":"\\ud800"}',
    '{"big":12345678901234567890.10,"tiny":1e400}',
    '"\u00e9\u2028\U0001f600"',
]


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_a_payload_is_kept_byte_for_byte(rolled_back: Connection, payload: str) -> None:
    seq = await insert(rolled_back, event_type="a", payload=payload)
    kept = await rolled_back.fetchrow(
        "select payload::text as payload, size from relay.outbox join relay.fresh using (seq) where seq = $1",
        seq,
    )
    assert kept is not None
    assert kept["payload"] == payload
    assert kept["size"] == len(payload.encode())


async def test_id_and_created_at_are_given_if_the_application_gives_none(rolled_back: Connection) -> None:
    first, second = [await insert(rolled_back, event_type="a", payload="1") for _ in range(2)]
    rows = await rolled_back.fetch(
        "select id, created_at between transaction_timestamp() and clock_timestamp() as is_now"
        " from relay.outbox where seq in ($1, $2) order by seq", first, second)  # fmt: skip
    assert [row["is_now"] for row in rows] == [True, True]
    assert len({row["id"] for row in rows}) == 2


async def test_an_event_over_the_limit_is_refused_and_names_the_limit(rolled_back: Connection) -> None:
    await insert(rolled_back, event_type="a", payload=json.dumps("x" * (262_144 - 2)))
    with pytest.raises(asyncpg.CheckViolationError, match="262145 bytes is over the limit of 262144 bytes"):
        await insert(rolled_back, event_type="a", payload=json.dumps("x" * (262_144 - 1)))


async def test_the_limit_is_the_one_in_the_settings_and_holds_for_bodies_too(rolled_back: Connection) -> None:
    await rolled_back.execute("update relay.setting set value = 20000 where name = 'max_payload_bytes'")
    await insert(rolled_back, event_type="a", body="x" * 20_000)
    with pytest.raises(asyncpg.CheckViolationError, match="20001 bytes is over the limit") as refused:
        await insert(rolled_back, event_type="a", body="x" * 20_001)
    assert "delivery.max_payload_bytes" in str(refused.value.hint)


async def test_a_new_limit_holds_for_those_who_inserted_under_the_old_one(any_database: str) -> None:
    limit = "update relay.setting set value = {} where name = 'max_payload_bytes'"
    large = {"event_type": "a", "body": "x" * 20_001}
    async with connected(any_database) as application, connected(any_database) as relay:
        await insert(application, **large)
        await relay.execute("begin; " + limit.format(20_000))
        await insert(application, **large)
        await relay.execute("commit")
        with pytest.raises(asyncpg.CheckViolationError, match="20001 bytes is over the limit of 20000 bytes"):
            await insert(application, **large)
        await relay.execute("begin; " + limit.format(1) + "; rollback")
        await insert(application, event_type="a", body="x" * 20_000)
        await relay.execute(limit.format(20_001))
        await insert(application, **large)


async def test_each_event_gets_one_fresh_row_of_its_size_and_transaction(rolled_back: Connection) -> None:
    await rolled_back.execute(
        "insert into relay.outbox (event_type, payload, body)"
        " values ('a', '{}', null), ('a', '\"é\"', null), ('a', null, '\\x00ff00ff00')"
    )
    await rolled_back.copy_to_table(
        "outbox", schema_name="relay", source=io.BytesIO(b"copied,[1]\n"), columns=["event_type", "payload"],
        format="csv", quote="'",
    )  # fmt: skip
    rows = await rolled_back.fetch(
        "select f.size, f.xid = pg_current_xact_id() as is_ours, f.after_endpoint"
        " from relay.fresh f join relay.outbox o using (seq) order by seq"
    )
    assert [tuple(row) for row in rows] == [(size, True, None) for size in (2, 4, 5, 3)]


async def test_a_statement_that_inserts_nothing_passes(rolled_back: Connection) -> None:
    await rolled_back.execute("insert into relay.outbox (event_type, payload) select 'a', '1' where false")


async def test_a_rolled_back_event_leaves_nothing(any_connection: Connection) -> None:
    await any_connection.execute("begin")
    await insert(any_connection, event_type="a", payload="1")
    await any_connection.execute("rollback")
    assert await any_connection.fetchval("select count(*) from relay.outbox") == 0
    assert await any_connection.fetchval("select count(*) from relay.fresh") == 0


async def test_a_second_event_with_a_dedupe_key_fails_like_any_unique_violation(
    rolled_back: Connection,
) -> None:
    columns = {"event_type": "a", "payload": "1", "dedupe_key": "k"}
    await insert(rolled_back, **columns)
    await insert(rolled_back, **columns, tenant="other")
    ignored = await rolled_back.execute(
        "insert into relay.outbox (event_type, payload, dedupe_key) values ('a', '2', 'k')"
        " on conflict do nothing"
    )
    assert ignored == "INSERT 0 0"
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(rolled_back, **columns)
