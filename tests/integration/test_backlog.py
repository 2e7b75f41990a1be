"""How much waits: exact while it is little, estimated when it is much, unknown when the database does not say."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import orjson
import pytest

from relay.observe.readings import MOST_BLOCKS
from relay.store.backlog import BacklogWatch
from relay.store.session import Session
from relay.store.sql import query
from tests.support.database import Connection, connected
from tests.support.rows import add_delivery, add_event

MANY = 6000


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with connected(database) as opened:
        yield opened


@pytest.fixture
async def session(database: str) -> AsyncIterator[Session]:
    opened = Session(database, name="test")
    yield opened
    await opened.close()


@pytest.fixture
def active() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def counted(
    connection: Connection, *, blocks: int = MOST_BLOCKS, held: tuple[UUID, ...] = ()
) -> dict[str, int]:
    rows = await connection.fetch(query("backlog"), blocks, held)
    return {row["state"]: row["deliveries"] for row in rows if row["deliveries"]}


async def add_many(connection: Connection) -> None:
    await connection.execute(
        "insert into relay.delivery (event_seq, endpoint_id, size, state, next_attempt_at)"
        " select n, gen_random_uuid(), 2, case when n % 3 = 0 then 'retrying' else 'pending' end, now()"
        f" from generate_series(1, {MANY}) as n"
    )


async def test_it_is_what_the_view_says(connection: Connection) -> None:
    paused = uuid4()
    seq, _ = await add_event(connection)
    await add_event(connection, is_fresh=True)
    soon = await connection.fetchval("select now() + interval '1 minute'")
    await add_delivery(connection, seq)
    await add_delivery(connection, seq, claimed_by=1, next_attempt_at=soon)
    await add_delivery(connection, seq, state="retrying", next_attempt_at=soon)
    await add_delivery(connection, seq, state="retrying", next_attempt_at=soon)
    await add_delivery(connection, seq, state="dead", reason="gone", next_attempt_at=None)
    await add_delivery(connection, seq, state="cancelled", next_attempt_at=None)
    await add_delivery(connection, seq, delivered_before=True)
    await connection.execute(
        "insert into relay.endpoint (id, url, state) values ($1, 'https://a.example/', 'paused')", paused
    )
    await add_delivery(connection, seq, paused)

    found = await counted(connection, held=(paused,))

    assert found == {"pending": 2, "in_flight": 1, "retrying": 2, "dead": 1, "held": 1}
    rows = await connection.fetch("select state, deliveries from relay.backlog")
    assert found == {row["state"]: row["deliveries"] for row in rows}


async def test_the_age_is_that_of_the_oldest_event(connection: Connection) -> None:
    for age in (30, 7200, 60):
        seq, _ = await add_event(connection)
        await connection.execute(
            "update relay.outbox set created_at = now() - $2 * interval '1 second' where seq = $1",
            seq,
            float(age),
        )
        await add_delivery(connection, seq, state="dead" if age == 30 else "pending", next_attempt_at=None)

    rows = await connection.fetch(query("backlog"), MOST_BLOCKS, [])

    ages = {row["state"]: row["oldest_age"] for row in rows}
    assert ages["dead"] == pytest.approx(30, abs=10)
    assert ages["pending"] > 7000


async def test_of_more_than_it_reads_it_gives_an_estimate(connection: Connection) -> None:
    await add_many(connection)
    assert await counted(connection) == {"pending": MANY * 2 // 3, "retrying": MANY // 3}

    # Which blocks are read is drawn by lot, so one look may be far off; the mean of many is not.
    looks = [await counted(connection, blocks=20) for _ in range(50)]

    mean = sum(sum(look.values()) for look in looks) / len(looks)
    assert mean == pytest.approx(MANY, rel=0.2)


async def test_it_reads_no_more_blocks_than_it_may(connection: Connection) -> None:
    await add_many(connection)
    whole = await connection.fetchval("select pg_relation_size('relay.delivery') / 8192")
    read = []
    for _ in range(20):
        plan = await connection.fetchval(
            f"explain (analyze, buffers, format json) {query('backlog')}", 10, []
        )
        top = orjson.loads(plan)[0]["Plan"]
        read.append(top["Shared Hit Blocks"] + top["Shared Read Blocks"])

    assert sum(read) / len(read) < whole / 2


async def test_it_is_asked_for_once_in_a_while_only(
    connection: Connection, session: Session, active: asyncio.Event
) -> None:
    watch = BacklogWatch(session, active=active, held=list)
    await watch.look()
    seq, _ = await add_event(connection)
    await add_delivery(connection, seq)
    await watch.look()

    states = watch.states()
    assert states is not None
    assert states["pending"].deliveries == 0


async def test_a_standby_knows_of_no_backlog(session: Session, active: asyncio.Event) -> None:
    watch = BacklogWatch(session, active=active, held=list)
    await watch.look()
    active.clear()

    assert watch.states() is None


async def test_a_database_that_is_not_there_is_no_trouble_and_no_zero(active: asyncio.Event) -> None:
    nowhere = Session("postgresql://nobody@127.0.0.1:1/nothing", name="test")
    watch = BacklogWatch(nowhere, active=active, held=list)

    await watch.look()

    assert watch.states() is None


async def test_a_table_that_somebody_holds_locked_holds_up_nobody_for_long(
    connection: Connection, session: Session, active: asyncio.Event
) -> None:
    watch = BacklogWatch(session, active=active, held=list)
    async with connection.transaction():
        await connection.execute("lock table relay.delivery in access exclusive mode")
        async with asyncio.timeout(10):
            await watch.look()

    assert watch.states() is None
