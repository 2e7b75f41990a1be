"""Leases that ran out: other relays' become due again, our own stay ours, and what is over is not walked again."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from relay.store.sql import query
from tests.support.database import Connection, connected
from tests.support.rows import add_delivery, add_event

ME, OTHER = 7, 4242
PAST = datetime.now(UTC) - timedelta(minutes=5)
LATER = datetime.now(UTC) + timedelta(days=1)


async def lease(connection: Connection, *, by: int, until: datetime) -> tuple[int, UUID]:
    seq, _ = await add_event(connection)
    return seq, await add_delivery(connection, seq, claimed_by=by, claim=1, next_attempt_at=until)


async def holder(connection: Connection, key: tuple[int, UUID]) -> int | None:
    found: int | None = await connection.fetchval(
        "select claimed_by from relay.delivery where event_seq = $1 and endpoint_id = $2", *key
    )
    return found


async def test_what_another_relay_held_for_too_long_is_due_again(rolled_back: Connection) -> None:
    lapsed = await lease(rolled_back, by=OTHER, until=PAST)
    running = await lease(rolled_back, by=OTHER, until=LATER)

    (row,) = await rolled_back.fetch(query("end_leases"), ME, 0.0)

    assert (row["ended"], row["locked"], row["event_seq"]) == (1, 0, None)
    assert [await holder(rolled_back, key) for key in (lapsed, running)] == [None, OTHER]
    claimed = await rolled_back.fetch(
        query("claim_due"), [lapsed[1], running[1]], [5, 5], ME, 60.0, 100, True
    )
    taken = [(row["event_seq"], row["taken"]) for row in claimed if row["event_seq"] is not None]
    assert taken == [(lapsed[0], 1)], "and its first claim counts as lost"


async def test_our_own_stay_ours_and_are_told_to_us(rolled_back: Connection) -> None:
    own = {await lease(rolled_back, by=ME, until=PAST) for _ in range(2)}

    rows = await rolled_back.fetch(query("end_leases"), ME, 0.0)

    assert {(row["event_seq"], row["endpoint_id"]) for row in rows} == own
    assert {await holder(rolled_back, key) for key in own} == {ME}


async def test_the_next_look_goes_on_where_the_last_one_was(rolled_back: Connection) -> None:
    await lease(rolled_back, by=OTHER, until=PAST)

    (row,) = await rolled_back.fetch(query("end_leases"), ME, PAST.timestamp() + 1)

    assert row["ended"] == 0
    assert row["looked_at"] > PAST.timestamp()


async def test_what_somebody_holds_locked_is_told_and_left(database: str) -> None:
    async with connected(database) as one, connected(database) as two:
        key = await lease(one, by=OTHER, until=PAST)
        async with two.transaction():
            await two.execute("select from relay.delivery where event_seq = $1 for update", key[0])
            (row,) = await one.fetch(query("end_leases"), ME, 0.0)
        assert (row["ended"], row["locked"]) == (0, 1)
        (row,) = await one.fetch(query("end_leases"), ME, 0.0)
        assert (row["ended"], row["locked"]) == (1, 0)


async def test_what_is_in_hand_is_not_due(rolled_back: Connection) -> None:
    endpoint_id = uuid4()
    seq, _ = await add_event(rolled_back)
    await add_delivery(rolled_back, seq, endpoint_id, claimed_by=OTHER, claim=1, next_attempt_at=PAST)

    assert await rolled_back.fetch(query("due_endpoints")) == []
    rows = await rolled_back.fetch(query("claim_due"), [endpoint_id], [5], ME, 60.0, 100, True)
    assert [(row["event_seq"], row["found"], row["next_due_in"]) for row in rows] == [(None, 0, None)]
