"""What retention deletes, what it keeps, and that it comes to an end."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from relay.lookback.retention import Periods, Retention
from relay.store.session import Session
from relay.store.watch import Backoff, DatabaseWatch
from tests.support.database import Connection, connected

DAY = 86_400.0
PERIODS = Periods(delivered=7 * DAY, dead=30 * DAY, payload=None)
NOW = datetime.now(UTC)


class Past:
    """Puts events and what became of them into the past."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.endpoint_id = uuid4()

    async def event(self, days: float) -> int:
        seq: int = await self._connection.fetchval(
            "insert into relay.outbox (event_type, payload, created_at)"
            " values ('a', '{\"n\": 1}', $1) returning seq",
            NOW - timedelta(days=days),
        )
        await self._connection.execute("delete from relay.fresh")
        return seq

    async def attempt(self, seq: int, days: float, *, outcome: str = "delivered", claim: int = 1) -> None:
        at = NOW - timedelta(days=days)
        await self.partition(at)
        await self._connection.execute(
            "insert into relay.attempt"
            " (event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, stale, ended, outcome,"
            " trigger_type, url, request_headers)"
            " values ($1, $2, $3, $4, $3, 5, false, $5 = 'delivered', $5, 'automatic', 'https://example.com/', '{}')",
            seq,
            self.endpoint_id,
            claim,
            at,
            outcome,
        )

    async def delivered(self, days: float) -> int:
        seq = await self.event(days)
        await self.attempt(seq, days)
        return seq

    async def delivery(self, seq: int, state: str, *, ended_days_ago: float | None = None) -> None:
        ended = None if ended_days_ago is None else NOW - timedelta(days=ended_days_ago)
        await self._connection.execute(
            "insert into relay.delivery (event_seq, endpoint_id, size, state, ended_at) values ($1, $2, 2, $3, $4)",
            seq,
            self.endpoint_id,
            state,
            ended,
        )

    async def partition(self, at: datetime) -> None:
        """Make the day's partition, as the relay did when that day was to come."""
        name = f"attempt_{at:%Y%m%d}"
        if await self._connection.fetchval("select to_regclass($1)", f"relay.{name}"):
            return
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        await self._connection.execute(
            f"create table relay.{name} partition of relay.attempt"
            f" for values from ('{day.isoformat()}') to ('{(day + timedelta(days=1)).isoformat()}')"
        )

    async def seqs(self) -> set[int]:
        return {row["seq"] for row in await self._connection.fetch("select seq from relay.outbox")}

    async def payload(self, seq: int) -> str:
        text: str = await self._connection.fetchval(
            "select payload::text from relay.outbox where seq = $1", seq
        )
        return text

    async def days(self) -> list[str]:
        rows = await self._connection.fetch(
            "select relname from pg_class where relname ~ '^attempt_[0-9]{8}$' and relkind = 'r' order by 1"
        )
        today = f"attempt_{NOW:%Y%m%d}"
        return [row["relname"] for row in rows if row["relname"] < today]


@pytest.fixture
async def past(any_database: str) -> AsyncIterator[Past]:
    async with connected(any_database) as connection:
        yield Past(connection)


@pytest.fixture
async def session(any_database: str) -> AsyncIterator[Session]:
    session = Session(any_database, name="retention")
    yield session
    await session.close()


def retention(session: Session, periods: Periods = PERIODS) -> Retention:
    return Retention(
        session=session,
        periods=periods,
        active=asyncio.Event(),
        backoff=Backoff(DatabaseWatch(), "retention"),
    )


async def test_an_event_goes_when_its_last_attempt_is_long_enough_ago(past: Past, session: Session) -> None:
    old, young = await past.delivered(7.5), await past.delivered(6.5)
    late = await past.event(20)
    await past.attempt(late, 19, outcome="retrying")
    await past.attempt(late, 3, claim=2)

    await retention(session).round()

    assert await past.seqs() == {young, late}
    assert old not in await past.seqs()


@pytest.mark.parametrize("state", ["pending", "retrying", "held"])
async def test_nothing_that_waits_goes_however_old_it_is(past: Past, session: Session, state: str) -> None:
    seq = await past.event(400)
    await past.attempt(seq, 399, outcome="retrying")
    await past.delivery(seq, state)

    await retention(session).round()

    assert await past.seqs() == {seq}


async def test_what_is_not_fanned_out_or_bypassed_the_trigger_stays(
    past: Past, session: Session, any_database: str
) -> None:
    bypassed = await past.event(400)
    async with connected(any_database) as connection:
        fresh = await connection.fetchval(
            "insert into relay.outbox (event_type, payload, created_at) values ('a', '1', $1) returning seq",
            NOW - timedelta(days=400),
        )

    await retention(session).round()

    assert await past.seqs() == {bypassed, fresh}


async def test_what_is_dead_stays_its_time_with_all_its_attempts_and_then_goes(
    past: Past, session: Session, any_database: str
) -> None:
    kept, gone = await past.event(25), await past.event(40)
    for seq, ended in ((kept, 22), (gone, 31)):
        await past.attempt(seq, ended + 3, outcome="retrying")
        await past.attempt(seq, ended, outcome="dead", claim=2)
        await past.delivery(seq, "dead", ended_days_ago=ended)

    await retention(session).round()

    async with connected(any_database) as connection:
        assert await past.seqs() == {kept}
        log = await connection.fetch("select event_seq, outcome from relay.attempt order by attempted_at")
        assert [tuple(row) for row in log] == [(kept, "retrying"), (kept, "dead")]
        assert [
            row["event_seq"] for row in await connection.fetch("select event_seq from relay.delivery")
        ] == [kept]
        await connection.execute("update relay.delivery set ended_at = ended_at - interval '30 days'")
    await retention(session).round()
    assert await past.seqs() == set()
    async with connected(any_database) as connection:
        assert await connection.fetchval("select count(*) from relay.attempt") == 0


async def test_days_of_the_log_go_when_they_are_over(past: Past, session: Session) -> None:
    for days in (1, 5, 7.2, 8.5, 9.5, 30):
        await past.delivered(days)

    await retention(session).round()

    limit = f"attempt_{NOW - timedelta(days=8):%Y%m%d}"
    assert await past.days()
    assert all(day >= limit for day in await past.days())


async def test_a_day_that_somebody_reads_is_left_for_the_next_round(
    past: Past, session: Session, any_database: str
) -> None:
    await past.delivered(30)
    async with connected(any_database) as reader, reader.transaction():
        await reader.execute("select count(*) from relay.attempt")
        await asyncio.wait_for(retention(session).round(), 5)
        assert await past.days()
    await retention(session).round()
    assert not await past.days()


async def test_unrouted_and_withdrawn_events_go_with_their_notes(
    past: Past, session: Session, any_database: str
) -> None:
    async with connected(any_database) as connection:
        for days in (8, 6):
            seq = await past.event(days)
            await connection.execute(
                "insert into relay.unrouted (event_seq, reason, noted_at) values ($1, 'cancelled', $2)",
                seq,
                NOW - timedelta(days=days),
            )
            await connection.execute(
                "insert into relay.cancellation (event_id) select id from relay.outbox where seq = $1", seq
            )

        await retention(session).round()

        for table in ("outbox", "unrouted", "cancellation"):
            assert await connection.fetchval(f"select count(*) from relay.{table}") == 1, table


async def test_payloads_may_go_earlier(past: Past, session: Session, any_database: str) -> None:
    old, young, dead = await past.delivered(2), await past.delivered(0.5), await past.event(3)
    await past.attempt(dead, 3, outcome="dead")
    await past.delivery(dead, "dead", ended_days_ago=3)

    await retention(session, Periods(delivered=7 * DAY, dead=30 * DAY, payload=DAY)).round()

    async with connected(any_database) as connection:
        rows = await connection.fetch("select seq, payload::text, expunged_at from relay.outbox")
    found = {row["seq"]: (row["payload"], row["expunged_at"] is not None) for row in rows}
    assert found == {old: ("null", True), young: ('{"n": 1}', False), dead: ('{"n": 1}', False)}


async def test_the_payload_of_what_was_never_sent_stays(past: Past, session: Session) -> None:
    bypassed = await past.event(40)

    await retention(session, Periods(delivered=7 * DAY, dead=30 * DAY, payload=DAY)).round()

    assert await past.payload(bypassed) == '{"n": 1}'


async def test_an_event_that_is_passed_over_keeps_its_day_of_the_log(
    past: Past, session: Session, any_database: str
) -> None:
    seq = await past.delivered(20)
    async with connected(any_database) as connection, connection.transaction():
        await connection.execute("select from relay.outbox where seq = $1 for update", seq)
        await retention(session).round()
        assert await past.days()
    await retention(session).round()
    assert await past.seqs() == set()
    assert not await past.days()


async def test_a_dead_delivery_that_somebody_holds_locked_stops_nobody_else(
    past: Past, session: Session, any_database: str
) -> None:
    locked, other = await past.event(50), await past.event(50)
    for seq in (locked, other):
        await past.delivery(seq, "dead", ended_days_ago=40)
    async with connected(any_database) as connection, connection.transaction():
        await connection.execute("select from relay.delivery where event_seq = $1 for update", locked)
        await asyncio.wait_for(retention(session).round(), 2)
        assert await past.seqs() == {locked}
    await retention(session).round()
    assert await past.seqs() == set()


async def test_a_delivery_that_is_scheduled_anew_at_the_same_moment_keeps_its_event(
    past: Past, session: Session, any_database: str
) -> None:
    """The retry has the event's row locked: it is passed over, and not looked at with an old snapshot."""
    seq = await past.event(40)
    await past.attempt(seq, 40, outcome="dead")
    await past.delivery(seq, "dead", ended_days_ago=40)
    async with connected(any_database) as connection, connection.transaction():
        await connection.execute("select from relay.outbox where seq = $1 for key share", seq)
        await connection.execute(
            "update relay.delivery set state = 'retrying', ended_at = null, next_attempt_at = now()"
        )
        await retention(session).round()
        assert seq in await past.seqs()
    await retention(session).round()
    assert await past.seqs() == {seq}


async def test_sizes_level_off_over_a_simulated_month(
    past: Past, session: Session, any_database: str
) -> None:
    """Forty days of a steady load, each day's end followed by a round, as if all else were a day older."""
    counts: list[tuple[int, int]] = []
    async with connected(any_database) as connection:
        for _ in range(40):
            for number in range(20):
                seq = await past.event(0)
                await past.attempt(seq, 0, outcome="dead" if number == 0 else "delivered")
                if number == 0:
                    await past.delivery(seq, "dead", ended_days_ago=0)
            await retention(session).round()
            counts.append(
                (
                    await connection.fetchval("select count(*) from relay.outbox"),
                    await connection.fetchval("select count(*) from relay.attempt"),
                )
            )
            await a_day_passes(connection)

    assert max(events for events, _ in counts) == counts[-1][0]
    assert counts[-1] == counts[-5]
    # Eight days of twenty, and the dead one of each of the days before, with its attempt.
    assert 7 * 20 + 23 <= counts[-1][0] <= 8 * 20 + 24


async def a_day_passes(connection: Connection) -> None:
    """Make everything a day older: its times, and the days of the log."""
    await connection.execute("update relay.outbox set created_at = created_at - interval '1 day'")
    await connection.execute("update relay.delivery set ended_at = ended_at - interval '1 day'")
    rows = await connection.fetch("select * from relay.attempt")
    await connection.execute("delete from relay.attempt")
    for row in rows:
        at = row["attempted_at"] - timedelta(days=1)
        await Past(connection).partition(at)
        values = [at if name == "attempted_at" else value for name, value in row.items()]
        places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
        await connection.execute(f"insert into relay.attempt values ({places})", *values)
