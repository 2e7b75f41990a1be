"""Start, stop, the schema, retention, and a database that goes away."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

from relay.receiver import Event, InboxSchemaError, InboxUnavailable, Receipt, Retry
from relay.receiver.schema import Connection, inbox_sql
from tests.support.database import connected
from tests.support.inbox import Gate, Received, make_inbox, receiving, signed
from tests.support.psql import psql
from tests.support.waiting import LIMIT, eventually


async def test_a_stop_lets_handlers_end(empty_database: str) -> None:
    gate = Gate()
    async with receiving(empty_database, handler=gate.handle) as received:
        await received.receive()
        await asyncio.wait_for(gate.called.wait(), LIMIT)
        stopping = asyncio.create_task(received.inbox.stop())
        await eventually(lambda: _is(received.inbox._running is None), "the stop has begun")
        with pytest.raises(InboxUnavailable):
            await received.receive(event_id="evt_2")
        gate.opened.set()
        await asyncio.wait_for(stopping, LIMIT)

        assert await received.state() == "done"


async def test_a_stop_cancels_what_takes_longer_than_the_grace_and_the_event_comes_again(
    empty_database: str,
) -> None:
    gate = Gate()
    async with receiving(empty_database, handler=gate.handle, grace=timedelta(0)) as received:
        await received.receive()
        await asyncio.wait_for(gate.called.wait(), LIMIT)
    async with receiving(empty_database) as received:
        await received.wait_for_state("done")

        assert await received.effects() == ["evt_1"]
        assert await received.fetchval("select failures from relay_inbox.event") == 0


async def test_an_inbox_without_its_schema_does_not_start_and_says_what_to_do(empty_database: str) -> None:
    inbox = make_inbox(empty_database)
    with pytest.raises(InboxSchemaError, match=r"inbox\.migrate\(\)"):
        await inbox.start()
    with pytest.raises(InboxUnavailable):
        await inbox.receive(b"{}", signed(b"{}"))


async def test_several_may_migrate_at_once_and_again(any_empty_database: str) -> None:
    await asyncio.gather(*(make_inbox(any_empty_database).migrate() for _ in range(4)))
    await make_inbox(any_empty_database).migrate()
    async with make_inbox(any_empty_database) as inbox:
        assert await inbox.receive(b"{}", signed(b"{}")) is Receipt.STORED


async def test_the_printed_schema_is_the_one_that_is_checked_for(any_empty_database: str) -> None:
    done = psql(any_empty_database, inbox_sql())
    assert done.returncode == 0, done.stderr
    async with make_inbox(any_empty_database) as inbox:
        assert await inbox.receive(b"{}", signed(b"{}")) is Receipt.STORED


async def test_a_schema_of_a_newer_version_is_left_alone(empty_database: str) -> None:
    inbox = make_inbox(empty_database)
    await inbox.migrate()
    async with connected(empty_database) as connection:
        await connection.execute(
            "insert into relay_inbox.schema_migration (version, name, checksum) values (9, 'x', 'y')"
        )
    for attempt in (inbox.start, inbox.migrate):
        with pytest.raises(InboxSchemaError, match="version 9"):
            await attempt()


async def test_the_inbox_lives_beside_a_relay_in_one_database(database: str) -> None:
    async with receiving(database) as received:
        assert await received.receive() is Receipt.STORED


async def test_what_is_over_is_deleted_when_its_time_comes(empty_database: str) -> None:
    async def handle(_connection: Connection, event: Event) -> None:
        if event.event_id == "bad":
            raise ValueError("bad")

    how = {"handler": handle, "format": "x-webhook", "retry": Retry(max_attempts=1)}
    async with receiving(empty_database, **how) as received:
        for event_id, state in (("good", "done"), ("bad", "dead")):
            await received.receive(event_id.encode(), event_id=event_id, fmt="x-webhook")
            await received.wait_for_state(state, event_id)
        assert await received.inbox.prune() == 0
        await received.execute("update relay_inbox.event set ended_at = now() - interval '40 days'")
        await received.execute("update relay_inbox.content set seen_at = now() - interval '2 hours'")

        assert await received.inbox.prune() == 3
        assert (await received.state("good"), await received.state("bad")) == ("", "dead")
        await received.execute("update relay_inbox.event set ended_at = now() - interval '91 days'")
        assert await received.inbox.prune() == 1


async def test_a_database_that_goes_away_is_told_and_found_again(empty_database: str) -> None:
    async with receiving(empty_database) as received:
        await received.receive(event_id="before")
        await received.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name like 'relay inbox%' and datname = current_database()"
        )

        assert await received.receive(event_id="after") is Receipt.STORED
        await received.wait_for_state("done", "before")
        await received.wait_for_state("done", "after")
        assert sorted(await received.effects()) == ["after", "before"]


async def test_what_has_come_when_a_stop_begins_is_stored(empty_database: str) -> None:
    async with receiving(empty_database) as received:
        arriving = [asyncio.create_task(received.receive(event_id=f"evt_{n}")) for n in range(300)]
        await asyncio.sleep(0)
        await received.inbox.stop()

        assert await asyncio.gather(*arriving) == [Receipt.STORED] * 300
        assert await received.fetchval("select count(*) from relay_inbox.event") == 300


async def test_an_event_that_the_database_refuses_does_not_keep_its_neighbours_out(
    empty_database: str,
) -> None:
    async with receiving(empty_database) as received:
        await received.execute("alter table relay_inbox.event add check (event_id <> 'evt_7')")
        together = await asyncio.gather(
            *(received.receive(event_id=f"evt_{n}") for n in range(20)), return_exceptions=True
        )

        assert isinstance(together.pop(7), InboxUnavailable)
        assert together == [Receipt.STORED] * 19


async def test_a_database_that_hangs_is_not_waited_for(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.receiver.intake.STORE_LIMIT", 0.3)
    monkeypatch.setattr("relay.receiver.intake.MOST_WAITING", 10)
    async with receiving(empty_database) as received, connected(empty_database) as other:
        async with other.transaction():
            await other.execute("lock table relay_inbox.event in exclusive mode")
            refused = await asyncio.gather(
                *(received.receive(event_id=f"evt_{n}") for n in range(20)), return_exceptions=True
            )
        assert {str(each) for each in refused} <= {
            "the inbox's database took longer than 0.3 s",
            "the inbox's database did not store the event",
            "too many requests wait for the inbox's database",
        }
        assert "too many requests wait for the inbox's database" in map(str, refused)

        await eventually(lambda: _takes(received), "it stores again")


async def _takes(received: Received) -> bool:
    with contextlib.suppress(InboxUnavailable):
        return await received.receive() in {Receipt.STORED, Receipt.DUPLICATE}
    return False


async def _is(condition: bool) -> bool:
    return condition
