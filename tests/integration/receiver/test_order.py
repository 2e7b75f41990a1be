"""Order among the events of a key, on a real database."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from relay.receiver import Event, IgnoreStale, Retry, WaitForGap
from relay.receiver.schema import Connection
from tests.support.database import connected
from tests.support.inbox import Gate, Received, make_inbox, note_effect, receiving
from tests.support.waiting import LIMIT, eventually

STALE = IgnoreStale(key="/id")
LONG = timedelta(hours=1)


async def send(received: Received, version: int | None, key: int = 1, **how: Any) -> str:
    """Have an event of a key received, and return its id."""
    event_id = f"{key}-{version}"
    headers = {} if version is None else {"X_Webhook_Sequence": str(version)}
    await received.receive(b'{"id": %d}' % key, event_id=event_id, **headers, **how)
    return event_id


async def test_a_version_that_comes_late_is_passed_over(empty_database: str) -> None:
    async with receiving(empty_database, ordering=STALE) as received:
        for version, state in ((2, "done"), (1, "stale"), (4, "done"), (3, "stale")):
            await received.wait_for_state(state, await send(received, version))
        await received.wait_for_state("done", await send(received, 1, key=2))

        assert await received.effects() == ["1-2", "1-4", "2-1"]


async def test_the_mark_outlives_a_restart(empty_database: str) -> None:
    async with receiving(empty_database, ordering=STALE) as received:
        await received.wait_for_state("done", await send(received, 2))
    async with receiving(empty_database, ordering=STALE) as received:
        await received.wait_for_state("stale", await send(received, 1))


async def test_a_handler_that_fails_does_not_raise_the_mark_and_holds_up_no_newer_state(
    empty_database: str,
) -> None:
    async def handle(connection: Connection, event: Event) -> None:
        if event.version == 2 and event.failures == 0:
            raise ValueError("not yet")
        await note_effect(connection, event)

    slow = {"retry": None, "handler": handle, "ordering": STALE}
    async with receiving(empty_database, **slow) as received:
        event_id = await send(received, 2)
        await eventually(
            lambda: received.fetchval("select true from relay_inbox.event where failures = 1"), "it failed"
        )
        await received.wait_for_state("done", await send(received, 1))
        await received.wait_for_state("done", await send(received, 3))
        await received.execute("update relay_inbox.event set next_attempt_at = now() where state = 'waiting'")
        await received.wait_for_state("stale", event_id)

        assert await received.effects() == ["1-1", "1-3"]


async def test_events_of_one_key_are_handled_one_at_a_time_and_others_meanwhile(empty_database: str) -> None:
    gate = Gate()
    async with (
        receiving(empty_database, ordering=STALE, handler=gate.handle, concurrency=5) as received,
        make_inbox(empty_database, ordering=STALE, handler=gate.handle, concurrency=5),
        connected(empty_database) as watcher,
    ):
        for version in (1, 2, 3):
            await send(received, version)
        await asyncio.wait_for(gate.called.wait(), LIMIT)
        await send(received, 1, key=2)
        await eventually(lambda: _at_least(gate, 2), "the other key's turn")

        locks = "select count(*) from pg_locks where locktype = 'advisory' and granted"
        assert await watcher.fetchval(locks) == 2
        assert gate.calls == 2
        gate.opened.set()
        for version in (1, 2, 3):
            await received.wait_for_state("done", f"1-{version}")
        assert [each for each in await received.effects() if each[0] == "1"] == ["1-1", "1-2", "1-3"]


async def test_a_gap_is_waited_for_until_it_closes(empty_database: str) -> None:
    rule = WaitForGap(key="/id", limit=LONG)
    async with receiving(empty_database, ordering=rule) as received:
        for version in (3, 2, 4):
            await send(received, version)
        await eventually(
            lambda: received.fetchval(
                "select min(next_attempt_at) > now() + interval '50 minutes' from relay_inbox.event where version = 2"
            ),
            "the second waits for the first",
        )
        assert await received.effects() == []
        await send(received, 1)
        await received.wait_for_state("done", "1-4")

        assert await received.effects() == ["1-1", "1-2", "1-3", "1-4"]


async def test_a_gap_that_does_not_close_is_passed_when_the_time_is_over(empty_database: str) -> None:
    rule = WaitForGap(key="/id", limit=timedelta(seconds=1))
    async with receiving(empty_database, ordering=rule) as received:
        await send(received, 2)
        await received.wait_for_state("done", "1-2")
        waited = await received.fetchval("select ended_at - received_at from relay_inbox.event")
        await received.wait_for_state("stale", await send(received, 1))

        assert waited >= timedelta(seconds=1)
        assert await received.effects() == ["1-2"]


async def test_an_event_that_fails_holds_up_the_later_ones_of_its_key_until_it_is_dead(
    empty_database: str,
) -> None:
    may_pass = asyncio.Event()

    async def handle(connection: Connection, event: Event) -> None:
        if event.version == 1 and not may_pass.is_set():
            raise ValueError("not yet")
        await note_effect(connection, event)

    how: dict[str, Any] = {"retry": None, "handler": handle, "ordering": WaitForGap(key="/id", limit=LONG)}
    async with receiving(empty_database, **how) as received:
        for version in (1, 2, 3):
            await send(received, version)
        await eventually(
            lambda: received.fetchval("select true from relay_inbox.event where failures = 1"), "it failed"
        )
        assert await received.effects() == []
        may_pass.set()
        await received.execute("update relay_inbox.event set next_attempt_at = now() where failures = 1")
        await received.wait_for_state("done", "1-3")

        assert await received.effects() == ["1-1", "1-2", "1-3"]


async def test_what_was_dead_of_one_key_comes_again_in_its_order(empty_database: str) -> None:
    is_broken = True

    async def handle(connection: Connection, event: Event) -> None:
        if is_broken:
            raise ValueError("not yet")
        await note_effect(connection, event)

    rule = WaitForGap(key="/id", limit=timedelta(0))
    how: dict[str, Any] = {"retry": Retry(max_attempts=1), "handler": handle, "ordering": rule}
    async with receiving(empty_database, **how) as received:
        for version in (3, 2, 1):
            await received.wait_for_state("dead", await send(received, version))
        is_broken = False
        assert await received.inbox.retry_dead() == 3
        for version in (1, 2, 3):
            await received.wait_for_state("done", f"1-{version}")

        assert await received.effects() == ["1-1", "1-2", "1-3"]


async def test_events_without_a_version_are_handled_in_the_order_of_arrival(empty_database: str) -> None:
    async with receiving(empty_database, ordering=STALE, handler=None) as received:
        for number in range(5):
            await received.receive(b'{"id": 1}', event_id=f"e{number}")
    async with receiving(empty_database, ordering=STALE) as received:
        await received.wait_for_state("done", "e4")

        assert await received.effects() == [f"e{number}" for number in range(5)]


async def test_of_the_waiting_events_of_a_key_only_the_first_is_due(empty_database: str) -> None:
    async with receiving(empty_database, ordering=STALE, handler=None) as received:
        # Alone: of some that are stored at the same time, each writer could take its own for the first.
        await send(received, 1)
        await asyncio.gather(*(send(received, version) for version in range(2, 501)))

        held = "select count(*) from relay_inbox.event where next_attempt_at = 'infinity'"
        assert await received.fetchval(held) == 499
    async with receiving(empty_database, ordering=STALE) as received:
        await received.wait_for_state("done", "1-500")

        assert await received.effects() == [f"1-{version}" for version in range(1, 501)]


async def test_a_key_whose_turn_nobody_gave_on_is_found(empty_database: str) -> None:
    async with receiving(empty_database, ordering=STALE, handler=None) as received:
        for key in (1, 2, 3):
            await send(received, 1, key=key)
        await received.execute("update relay_inbox.event set next_attempt_at = 'infinity'")
    async with receiving(empty_database, ordering=STALE) as received:
        for key in (1, 2, 3):
            await received.wait_for_state("done", f"{key}-1")


async def test_a_function_that_raises_stores_nothing(empty_database: str) -> None:
    rule = IgnoreStale(key=lambda event: str(event.json()["no"]))
    async with receiving(empty_database, ordering=rule) as received:
        with pytest.raises(KeyError):
            await received.receive()
        assert await received.state() == ""


async def _at_least(gate: Gate, calls: int) -> bool:
    return gate.calls >= calls
