"""A row that somebody changed between a statement's snapshot and its lock: nothing half done, and a later try does it.

The moment is too short to be met by chance. Here the statement waits for the lock instead of skipping, until the change
is committed: what it then finds is the same.
"""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

from relay.store.sql import query
from tests.support.database import Connection, connected

ENDPOINT = uuid4()
SKIPS = "for update skip locked"


async def run_beside(
    connection: Connection, dsn: str, change: str, name: str, *arguments: object
) -> list[str]:
    """Run a statement that comes to a row while `change` is not yet committed; returns its last column."""
    text = query(name)
    assert SKIPS in text
    async with connected(dsn) as other:
        changing = other.transaction()
        await changing.start()
        await other.execute(change)
        waiting = asyncio.create_task(connection.fetch(text.replace(SKIPS, "for update"), *arguments))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await changing.commit()
        return [row[-1] for row in await waiting]


def outcome(seq: int) -> list[object]:
    """Return the arguments that record one delivered attempt."""
    now = int(datetime.now(UTC).timestamp() * 1e6)
    return [
        f"{{{seq}}}", f"{{{ENDPOINT}}}", "{1}", 1, "{delivered}", "{NULL}", "{0}", f"{{{now}}}", "{t}", "{t}", "{1}",
        f"{{{now}}}", "{5}", "{200}", "{NULL}", [None], ["https://example.com/"], "{1}", ["{}"], ["{}"], [None],
        "{automatic}", "{f}",
    ]  # fmt: skip


async def test_an_outcome_is_recorded_with_a_later_batch(any_database: str) -> None:
    async with connected(any_database) as connection:
        seq = await connection.fetchval(
            "insert into relay.outbox (event_type, payload) values ('a', '{}') returning seq"
        )
        await connection.execute(
            "insert into relay.delivery (event_seq, endpoint_id, size, next_attempt_at, claimed_by, claim)"
            " values ($1, $2, 2, now(), 1, 1)",
            seq,
            ENDPOINT,
        )

        change = "update relay.delivery set last_error = 'looked at'"
        assert await run_beside(connection, any_database, change, "record", *outcome(seq)) == ["postponed"]
        assert await connection.fetchval("select count(*) from relay.attempt") == 0
        assert await connection.fetchval("select count(*) from relay.delivery") == 1

        assert await connection.fetch(query("record"), *outcome(seq)) == []
        assert await connection.fetchval("select ended from relay.attempt")
        assert await connection.fetchval("select count(*) from relay.delivery") == 0


async def fresh_event(connection: Connection, *, leased: bool) -> tuple[UUID, list[object]]:
    """Insert an event; returns its id, and the arguments that fan it out to one endpoint."""
    event_id = await connection.fetchval(
        "insert into relay.outbox (event_type, payload) values ('a', '{}') returning id"
    )
    ((xid, seq),) = await connection.fetch("select xid::text, seq from relay.fresh")
    delivery = [f"{{{seq}}}", f"{{{ENDPOINT}}}", "{2}", "{t}" if leased else "{f}", "{NULL}"]
    return event_id, [
        f"{{{xid}}}", f"{{{seq}}}", "{t}", "{NULL}", *delivery, 1, 60.0, [], [], [], "{NULL}", "{f}", None, "1:1:",
        f"{{{event_id}}}",
    ]  # fmt: skip


async def test_what_is_withdrawn_between_the_look_and_the_fan_out_is_not_leased(any_database: str) -> None:
    async with connected(any_database) as connection:
        event_id, arguments = await fresh_event(connection, leased=True)
        await connection.execute("select relay.cancel($1)", event_id)

        (row,) = await connection.fetch(query("fan_out"), *arguments)

        assert row["endpoint_id"] == ENDPOINT
        (left,) = await connection.fetch("select claimed_by, claim, state from relay.delivery")
        assert tuple(left) == (None, 0, "pending")


async def test_an_event_is_fanned_out_with_a_later_look(any_database: str) -> None:
    async with connected(any_database) as connection:
        _, arguments = await fresh_event(connection, leased=False)
        change = f"update relay.fresh set after_endpoint = '{uuid4()}'"
        assert await run_beside(connection, any_database, change, "fan_out", *arguments) == [None]
        assert await connection.fetchval("select count(*) from relay.delivery") == 0
        assert await connection.fetchval("select count(*) from relay.fresh") == 1

        assert await connection.fetch(query("fan_out"), *arguments) == []
        assert await connection.fetchval("select count(*) from relay.delivery") == 1
        assert await connection.fetchval("select count(*) from relay.fresh") == 0
