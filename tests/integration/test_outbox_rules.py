"""What applications may insert into relay.outbox, what is refused and how, and what the trigger does."""

import asyncio
import io
import json
from uuid import uuid4

import asyncpg
import pytest

from tests.support.database import Connection, connected


async def insert(connection: Connection, **columns: object) -> int:
    """Insert one event, as text literals of SQL would; return its seq."""
    names = ", ".join(columns)
    values = ", ".join("null" if value is None else f"'{value}'" for value in columns.values())
    seq: int = await connection.fetchval(
        f"insert into relay.outbox ({names}) values ({values}) returning seq"
    )
    return seq


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


class Wakes:
    """A connection that listens as the relay does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard: asyncio.Queue[str] = asyncio.Queue()

    async def start(self) -> None:
        for channel in ("relay_wake", "fence"):
            await self._connection.add_listener(channel, self._hear)

    def _hear(self, _connection: object, _pid: int, channel: str, _payload: object) -> None:
        self._heard.put_nowait(channel)

    async def heard_before_fence(self, sender: Connection) -> list[str]:
        """Return what was heard of all that was committed before now."""
        await sender.execute("notify fence")
        heard = []
        while (channel := await asyncio.wait_for(self._heard.get(), 10)) != "fence":
            heard.append(channel)
        return heard


async def test_applications_send_a_notify_only_while_the_relay_asks_for_it(any_database: str) -> None:
    async with connected(any_database) as application, connected(any_database) as relay:
        wakes = Wakes(relay)
        await wakes.start()
        await insert(application, event_type="a", payload="1")
        assert await wakes.heard_before_fence(application) == []

        await relay.execute(
            "select setval('relay.armed_until', extract(epoch from now() + interval '1 minute')::bigint)"
        )
        await insert(application, event_type="a", payload="1")
        assert await wakes.heard_before_fence(application) == ["relay_wake"]

        await relay.execute("select setval('relay.armed_until', extract(epoch from now())::bigint - 1)")
        await insert(application, event_type="a", payload="1")
        assert await wakes.heard_before_fence(application) == []


async def test_a_prepared_transaction_works_unless_the_relay_asks_for_a_notify(
    any_connection: Connection,
) -> None:
    await any_connection.execute("begin")
    await insert(any_connection, event_type="a", payload="1")
    await any_connection.execute("prepare transaction 'one'")
    await any_connection.execute("commit prepared 'one'")
    assert await any_connection.fetchval("select count(*) from relay.fresh") == 1

    await any_connection.execute("select setval('relay.armed_until', 4102444800)")
    await any_connection.execute("begin")
    await insert(any_connection, event_type="a", payload="1")
    with pytest.raises(asyncpg.FeatureNotSupportedError):
        await any_connection.execute("prepare transaction 'two'")
