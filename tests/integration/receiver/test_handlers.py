"""What a handler may do, and what becomes of the event when it does not do well."""

import asyncio
from datetime import timedelta

import pytest

from relay.receiver import Event, Inbox
from relay.receiver.schema import Connection
from tests.support.inbox import AT_ONCE, Gate, make_inbox, note_effect, receiving, signed
from tests.support.waiting import eventually


async def test_a_handler_that_fails_has_no_effect_and_is_called_again(empty_database: str) -> None:
    async def handle(connection: Connection, event: Event) -> None:
        await note_effect(connection, event)
        if event.failures < 2:
            raise OSError("another service is away")

    async with receiving(empty_database, handler=handle) as received:
        await received.receive()
        await received.wait_for_state("done")

        assert await received.effects() == ["evt_1"]
        assert await received.fetchval("select failures from relay_inbox.event") == 2


async def test_an_error_of_the_database_in_a_handler_is_a_failure_like_any_other(empty_database: str) -> None:
    async def handle(connection: Connection, event: Event) -> None:
        await note_effect(connection, event)
        if event.failures == 0:
            await connection.execute("select 1 / 0")

    async with receiving(empty_database, handler=handle) as received:
        await received.receive()
        await received.wait_for_state("done")

        assert await received.effects() == ["evt_1"]


async def test_a_commit_that_fails_is_counted(empty_database: str) -> None:
    async def handle(connection: Connection, _event: Event) -> None:
        await connection.execute("insert into twice values (1), (1)")

    async with receiving(empty_database, handler=handle) as received:
        await received.execute("create table twice (n int unique deferrable initially deferred)")
        await received.receive()
        await received.wait_for_state("dead")

        assert "twice_n_key" in await received.fetchval("select error from relay_inbox.event")


async def test_a_handler_that_ends_the_transaction_itself_is_told_so(empty_database: str) -> None:
    async def handle(connection: Connection, _event: Event) -> None:
        await connection.execute("commit")

    async with receiving(empty_database, handler=handle) as received:
        await received.receive()
        await received.wait_for_state("dead")

        assert "transaction" in await received.fetchval("select error from relay_inbox.event")


async def test_what_fails_again_and_again_is_dead_and_can_be_retried(empty_database: str) -> None:
    is_broken = True

    async def handle(connection: Connection, event: Event) -> None:
        if is_broken:
            raise ValueError(f"no \0 such \ud800 invoice: {event.event_id}")
        await note_effect(connection, event)

    async with receiving(empty_database, handler=handle) as received:
        for event_id in ("a", "b", "c"):
            await received.receive(b'{"id": 1}', event_id=event_id)
            await received.wait_for_state("dead", event_id)
        stats = await received.inbox.stats()
        assert (stats.waiting, stats.dead, stats.oldest_age) == (0, 3, None)
        assert await received.inbox.count_dead() == 3
        first, second = await received.inbox.list_dead(limit=2)
        assert (first.event_id, first.failures, first.body) == ("a", AT_ONCE.max_attempts, b'{"id": 1}')
        assert first.error == "ValueError: no  such ? invoice: a"
        assert [each.event_id for each in await received.inbox.list_dead(after=second.seq)] == ["c"]

        is_broken = False
        assert await received.inbox.retry_dead(["b", "unknown"]) == 1
        await received.wait_for_state("done", "b")
        assert await received.inbox.retry_dead() == 2
        for event_id in ("a", "c"):
            await received.wait_for_state("done", event_id)
        assert await received.inbox.count_dead() == 0
        assert await received.inbox.retry_dead() == 0


async def test_what_waits_is_counted_with_its_age(empty_database: str) -> None:
    async with receiving(empty_database, handler=None) as received:
        await received.receive()
        await received.execute("update relay_inbox.event set received_at = now() - interval '1 hour'")

        stats = await received.inbox.stats()
        assert (stats.waiting, stats.retrying, stats.dead) == (1, 0, 0)
        assert stats.oldest_age is not None
        assert timedelta(hours=1) <= stats.oldest_age < timedelta(hours=2)


async def test_a_handler_that_hangs_is_cancelled_when_its_time_is_over(empty_database: str) -> None:
    async def handle(connection: Connection, event: Event) -> None:
        await note_effect(connection, event)
        if event.failures == 0:
            await connection.execute("select pg_sleep(600)")

    async with receiving(empty_database, handler=handle, time_limit=timedelta(seconds=0.3)) as received:
        await received.receive()
        await received.wait_for_state("done")

        assert await received.effects() == ["evt_1"]
        assert await received.fetchval("select failures from relay_inbox.event") == 1


async def test_a_handler_that_will_not_be_cancelled_loses_its_connection(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.receiver.attempt.CANCEL_LIMIT", 0.1)
    release = asyncio.Event()

    async def handle(connection: Connection, event: Event) -> None:
        await note_effect(connection, event)
        while event.failures == 0 and not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with receiving(empty_database, handler=handle, time_limit=timedelta(seconds=0.2)) as received:
        await received.receive()
        await received.wait_for_state("done")

        assert await received.effects() == ["evt_1"]
        assert await received.fetchval("select failures from relay_inbox.event") == 1
        release.set()


async def test_the_server_ends_the_session_of_a_worker_whose_machine_is_gone(empty_database: str) -> None:
    limits: list[str] = []

    async def handle(connection: Connection, _event: Event) -> None:
        limits.append(await connection.fetchval("show idle_in_transaction_session_timeout"))

    async with receiving(empty_database, handler=handle, time_limit=timedelta(seconds=15)) as received:
        await received.receive()
        await received.wait_for_state("done")

    assert limits == ["45s"]


async def test_no_more_run_at_once_than_may(empty_database: str) -> None:
    gate = Gate()
    async with receiving(empty_database, handler=gate.handle, concurrency=2) as received:
        for number in range(6):
            await received.receive(event_id=f"evt_{number}")
        await eventually(lambda: _is(gate.calls == 2), "two calls")

        assert (await received.inbox.stats()).waiting == 6
        assert gate.calls == 2
        gate.opened.set()
        for number in range(6):
            await received.wait_for_state("done", f"evt_{number}")
        assert len(await received.effects()) == 6


async def test_two_processes_share_a_source_and_handle_each_event_once(empty_database: str) -> None:
    async with receiving(empty_database, concurrency=5) as received, make_inbox(empty_database) as other:
        for number in range(100):
            await (received.inbox, other)[number % 2].receive(b"{}", signed(b"{}", f"evt_{number}"))

        await eventually(lambda: _has_none_waiting(received.inbox), "nothing waits")
        assert sorted(await received.effects()) == sorted(f"evt_{number}" for number in range(100))


async def test_a_process_that_only_handles_is_woken_by_one_that_only_receives(empty_database: str) -> None:
    async with (
        receiving(empty_database, poll_interval=timedelta(hours=1)) as received,
        make_inbox(empty_database, handler=None) as front,
    ):
        await eventually(
            lambda: received.fetchval("select true from pg_stat_activity where query like 'LISTEN%'"),
            "it listens",
        )
        await front.receive(b"{}", signed(b"{}"))
        await received.wait_for_state("done")


async def _is(condition: bool) -> bool:
    return condition


async def _has_none_waiting(inbox: Inbox) -> bool:
    return (await inbox.stats()).waiting == 0
