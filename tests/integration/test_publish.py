"""relay.publish and relay.cancel, as applications call them."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.support.database import Connection, connected

PUBLISH_ONCE = "select relay.publish('a', '1', dedupe_key => 'k')"


async def payload_of(connection: Connection, event_id: UUID) -> str:
    text: str = await connection.fetchval("select payload::text from relay.outbox where id = $1", event_id)
    return text


@pytest.mark.parametrize(
    ("call", "kept"),
    [
        ("relay.publish('invoice.paid', '{\"id\":  42}')", '{"id":  42}'),
        ("relay.publish('invoice.paid', '{\"id\":  42}'::text)", '{"id":  42}'),
        ("relay.publish('invoice.paid', '{\"id\":  42}'::varchar)", '{"id":  42}'),
        ("relay.publish('invoice.paid', '{\"id\":  42}'::json)", '{"id":  42}'),
        ("relay.publish('invoice.paid', '{\"id\":  42}'::jsonb)", '{"id": 42}'),
        ("relay.publish('invoice.paid', jsonb_build_object('id', 42))", '{"id": 42}'),
        ("relay.publish('invoice.paid', json_build_object('id', 42))", '{"id" : 42}'),
        ("relay.publish('invoice.paid', to_jsonb(42))", "42"),
        ("relay.publish(event_type => 'invoice.paid', payload => 'null')", "null"),
    ],
)
async def test_publish_takes_text_json_and_jsonb(rolled_back: Connection, call: str, kept: str) -> None:
    event_id = await rolled_back.fetchval(f"select {call}")
    assert await payload_of(rolled_back, event_id) == kept


async def test_publish_takes_parameters_of_a_driver_that_binds_strings(rolled_back: Connection) -> None:
    event_id = await rolled_back.fetchval("select relay.publish($1, $2)", "invoice.paid", '{"id": 42}')
    assert await payload_of(rolled_back, event_id) == '{"id": 42}'


@pytest.mark.parametrize("kind", ["text", "json", "jsonb"])
@pytest.mark.parametrize("dedupe_key", [None, "d"])
async def test_publish_sets_every_column(rolled_back: Connection, kind: str, dedupe_key: str | None) -> None:
    event_id, endpoint_id = uuid4(), uuid4()
    published = await rolled_back.fetchval(
        f"select relay.publish('a.b', '1'::{kind}, id => $1, tenant => 't', ordering_key => 'o', sequence => 7,"
        " endpoint_id => $2, headers => '{\"X-A\": \"1\"}', deliver_at => '2030-01-01Z',"
        " expires_at => '2030-01-02Z', dedupe_key => $3, traceparent => $4)",
        event_id, endpoint_id, dedupe_key, f"00-{'a' * 32}-{'b' * 16}-01",
    )  # fmt: skip
    assert published == event_id
    row = await rolled_back.fetchrow(
        "select event_type, payload::text, tenant, ordering_key, sequence, endpoint_id, headers::text,"
        " deliver_at::date::text, expires_at::date::text, dedupe_key, left(traceparent, 4)"
        " from relay.outbox where id = $1", event_id)  # fmt: skip
    assert row is not None
    assert tuple(row) == (
        "a.b", "1", "t", "o", 7, endpoint_id, '{"X-A": "1"}', "2030-01-01", "2030-01-02", dedupe_key, "00-a",
    )  # fmt: skip


async def test_a_dedupe_key_publishes_once_a_tenant(rolled_back: Connection) -> None:
    first = await rolled_back.fetchval(PUBLISH_ONCE)
    again = await rolled_back.fetchval("select relay.publish('b', '2'::jsonb, dedupe_key => 'k')")
    elsewhere = await rolled_back.fetchval(
        "select relay.publish('a', '1', dedupe_key => 'k', tenant => 'other')"
    )
    assert again == first != elsewhere
    assert await rolled_back.fetchval("select count(*) from relay.fresh") == 2


async def test_an_id_that_exists_is_refused(rolled_back: Connection) -> None:
    event_id = await rolled_back.fetchval("select relay.publish('a', '1')")
    for dedupe in ("", ", dedupe_key => 'new'"):
        savepoint = rolled_back.transaction()
        await savepoint.start()
        with pytest.raises(asyncpg.UniqueViolationError, match=rf"{event_id}|outbox_id_key"):
            await rolled_back.fetchval(f"select relay.publish('a', '1', id => '{event_id}'{dedupe})")
        await savepoint.rollback()


async def test_of_two_transactions_with_one_dedupe_key_the_second_gets_the_id_of_the_first(
    any_database: str,
) -> None:
    async with connected(any_database) as first, connected(any_database) as second:
        await first.execute("begin")
        stored = await first.fetchval(PUBLISH_ONCE)
        waiting = asyncio.ensure_future(second.fetchval(PUBLISH_ONCE))
        await until_blocked(first, second)
        await first.execute("commit")
        assert await waiting == stored


async def test_if_the_first_transaction_rolls_back_the_second_ones_event_is_stored(any_database: str) -> None:
    async with connected(any_database) as first, connected(any_database) as second:
        await first.execute("begin")
        forgotten = await first.fetchval(PUBLISH_ONCE)
        waiting = asyncio.ensure_future(second.fetchval(PUBLISH_ONCE))
        await until_blocked(first, second)
        await first.execute("rollback")
        stored = await waiting
        assert stored != forgotten
        assert await second.fetchval("select id from relay.outbox") == stored


async def until_blocked(observer: Connection, blocked: Connection) -> None:
    """Wait until a session waits for a lock; the observer looks on from within its transaction."""

    async def look() -> None:
        while not await observer.fetchval(  # noqa: ASYNC110 - a lock wait has no event to wait on
            "select cardinality(pg_blocking_pids($1)) > 0", blocked.get_server_pid()
        ):
            await asyncio.sleep(0.002)

    await asyncio.wait_for(look(), 10)


async def test_at_repeatable_read_the_second_transaction_is_told_to_try_again(any_database: str) -> None:
    async with connected(any_database) as first, connected(any_database) as second:
        await second.execute("begin isolation level repeatable read; select from relay.outbox")
        await first.execute(PUBLISH_ONCE)
        with pytest.raises(asyncpg.SerializationError):
            await second.execute(PUBLISH_ONCE)


async def test_a_bad_event_is_refused_with_the_same_words(rolled_back: Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="'a b' is not a dotted name"):
        await rolled_back.fetchval("select relay.publish('a b', '1')")


async def test_cancel_notes_the_event_once_with_the_applications_transaction(
    any_connection: Connection,
) -> None:
    event_id = await any_connection.fetchval("select relay.publish('a', '1')")
    await any_connection.execute("begin")
    await any_connection.execute("select relay.cancel($1)", event_id)
    await any_connection.execute("rollback")
    assert await any_connection.fetch("select event_id from relay.cancellation") == []
    for _ in range(2):
        await any_connection.execute("select relay.cancel($1)", event_id)
    rows = await any_connection.fetch("select event_id from relay.cancellation")
    assert [row["event_id"] for row in rows] == [event_id]


async def test_cancel_waits_for_no_one_who_holds_the_event_or_its_delivery(any_database: str) -> None:
    async with connected(any_database) as relay, connected(any_database) as application:
        event_id = await relay.fetchval("select relay.publish('a', '1')")
        await relay.execute("insert into relay.delivery (event_seq, endpoint_id, size)"
                            " select seq, gen_random_uuid(), 1 from relay.outbox")  # fmt: skip
        await relay.execute(
            "begin; select from relay.outbox for update; select from relay.delivery for update"
        )
        await asyncio.wait_for(application.execute("select relay.cancel($1)", event_id), 5)
        assert await application.fetchval("select event_id from relay.cancellation") == event_id
