"""What a dead relay held goes on with the next one, at once; two relays on one database take turns."""

import asyncio
import random
import signal
import time
from collections.abc import Callable

import pytest

from relay.pipeline.verdict import MOST_LOST_CLAIMS
from tests.fault.load import steady_load
from tests.support.application import Application
from tests.support.checker import check_everything
from tests.support.daemon import Daemon
from tests.support.receiver import SILENCE, Receiver, Reply
from tests.support.world import PROOF, World

pytestmark = pytest.mark.fault

AT_ONCE = 5.0
"""Seconds; a lease lasts a minute."""
LIMITS = {"delivery": {"max_in_flight": 50, "max_in_flight_per_endpoint": 50}}
ALL_ENDED = (
    "select not exists (select from relay.fresh)"
    " and not exists (select from relay.delivery where next_attempt_at is not null)"
)


async def test_what_a_killed_daemon_had_in_hand_is_sent_again_at_once(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    killed = await world.start()
    await world.prove(killed)
    receiver.respond = lambda _: SILENCE
    ids = await application.insert_all(['{"id": 1}'] * 30)
    await receiver.wait_for_open(30)
    await killed.kill()
    receiver.respond = lambda _: Reply()

    successor = await world.start()
    began = time.monotonic()
    await receiver.wait_for_requests(PROOF + 60)
    assert time.monotonic() - began < AT_ONCE
    await application.wait_until(ALL_ENDED)

    assert successor.logged("leases.returned", deliveries=30)
    assert {str(event_id): 2 for event_id in ids}.items() <= receiver.counts().items()
    assert len(receiver.receipts) == PROOF + 60
    assert {receipt.request.attempt for receipt in receiver.receipts} == {1}
    (await check_everything(application, receiver)).assert_right(most_duplicates=30)


async def test_leases_that_somebody_holds_locked_are_returned_as_soon_as_they_are_free(world: World) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda _: SILENCE
    await application.add_endpoint(receiver.url())
    killed = await world.start()
    event_id = await application.insert()
    await receiver.wait_for_open(1)
    await killed.kill()
    receiver.respond = lambda _: Reply()

    connection = await application.connection()
    async with connection.transaction():
        await connection.execute("select from relay.delivery for update")
        successor = await world.start()
        await successor.wait_for_log("leases.returned", deliveries=0, count=2)
    await receiver.wait_for_event(event_id, count=2, limit=AT_ONCE)


async def test_a_lease_of_a_relay_that_nobody_knows_ends_when_it_ran_out(world: World) -> None:
    application = world.application
    endpoint_id = await application.add_endpoint(world.receiver.url())
    event_id = await application.insert()
    connection = await application.connection()
    await connection.execute(
        "with f as (delete from relay.fresh returning seq)"
        " insert into relay.delivery (event_seq, endpoint_id, size, claim, claimed_by, next_attempt_at)"
        " select seq, $1, 2, 1, 4242, now() - interval '1 s' from f",
        endpoint_id,
    )

    daemon = await world.start()

    await application.wait_for_state(event_id, "delivered")
    assert daemon.logged("leases.returned", deliveries=1)


async def test_a_delivery_in_hand_at_too_many_ends_of_the_process_is_quarantined_alone(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    daemon = await world.start()
    receiver.hold()
    deadly = await application.insert('{"id": "deadly"}')
    for _ in range(MOST_LOST_CLAIMS):
        await receiver.wait_for_open(1)
        await daemon.kill()
        daemon = await world.start()
    receiver.release()
    neighbours = await application.insert_all(['{"id": 1}'] * 20)

    await application.wait_for_state(deadly, "dead", reason="quarantined")
    for event_id in neighbours:
        await application.wait_for_state(event_id, "delivered")
    assert len(receiver.of(deadly)) == MOST_LOST_CLAIMS
    (await check_everything(application, receiver)).assert_right(most_duplicates=MOST_LOST_CLAIMS - 1)


async def test_bystanders_of_a_process_that_is_killed_again_and_again_are_delivered(world: World) -> None:
    receiver, application = world.receiver, world.application
    for number in range(5):  # as many as it takes to have all in flight at a start
        await application.add_endpoint(receiver.url(), event_types=[f"kind{number}"])
    daemon = await world.start()
    receiver.hold()
    events = [await application.insert(event_type=f"kind{number % 5}") for number in range(20)]
    for _ in range(MOST_LOST_CLAIMS - 1):
        await receiver.wait_for_open(len(events))
        await daemon.kill()
        daemon = await world.start()
    await receiver.wait_for_open(1)
    await daemon.wait_for_log("delivery.released", count=len(events) - 1)
    await daemon.kill()
    await world.start()
    receiver.release()

    ends = [await application.wait_for_end(event_id) for event_id in events]

    assert ends.count("delivered") >= len(events) - 1


async def test_only_one_of_two_relays_sends_and_the_other_takes_over_when_it_is_killed(
    world: World, figures: Callable[[str], None]
) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda _: Reply(delay=0.05)
    await application.add_endpoint(receiver.url())
    active = await world.start(LIMITS)
    standby = await world.start(LIMITS)
    async with steady_load(application, rate=100):
        await active.wait_for_log("delivery.delivered", count=100)
        assert standby.logged("relay.standby")
        assert not standby.logged("event.fanned_out")

        await active.kill()
        await receiver.wait_for(lambda: receiver.open_requests == 0, "the connections of the dead to go")
        taken_over = await _seconds_to_the_next(receiver)
        await standby.wait_for_log("delivery.delivered", count=100)
    await application.wait_until(ALL_ENDED)

    figures(f"the standby sent {taken_over:.2f} s after the kill")
    assert taken_over < AT_ONCE
    assert standby.logged("relay.active")
    (await check_everything(application, receiver)).assert_right(most_duplicates=50)


async def test_what_a_relay_without_the_lock_hears_says_nothing_of_an_endpoint(world: World) -> None:
    receiver, application = world.receiver, world.application
    settings = {"breaker": {"min_attempts": 4, "open_for": "5s", "max_open_for": "5s"}}
    receiver.respond = lambda _: Reply(status=503)
    receiver.hold()
    await application.add_endpoint(receiver.url())
    first = await world.start(settings)
    backends = await application.fetchval(
        "select array_agg(pid) from pg_stat_activity"
        " where datname = current_database() and application_name like 'relay %'"
    )
    second = await world.start(settings)
    await second.wait_for_log("relay.standby")
    await application.insert_all(['{"id": 0}'] * 4)
    await receiver.wait_for_open(4)

    first.signal(signal.SIGSTOP)
    receiver.respond = lambda _: Reply()
    await application.execute("select pg_terminate_backend(pid) from unnest($1::int[]) as pid", backends)
    await receiver.wait_for_open(8)
    receiver.release()
    await second.wait_for_log("delivery.delivered", count=4)
    first.signal(signal.SIGCONT)
    await first.wait_for_log("claim.lost", count=4)
    assert await first.terminate() == 0

    assert not first.logged("endpoint.breaker_opened")
    assert not await application.fetch("select from relay.endpoint_condition")


async def test_a_relay_that_stops_hands_over_without_a_duplicate(world: World) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda _: Reply(delay=0.05)
    await application.add_endpoint(receiver.url())
    active = await world.start(LIMITS)
    standby = await world.start(LIMITS)
    async with steady_load(application, rate=100):
        await active.wait_for_log("delivery.delivered", count=50)
        assert await active.terminate() == 0
        await standby.wait_for_log("delivery.delivered", count=100, limit=AT_ONCE + 5)
    await application.wait_until(ALL_ENDED)

    (await check_everything(application, receiver)).assert_right()


@pytest.mark.parametrize(
    "seconds",
    [4.0, pytest.param(60.0, marks=[pytest.mark.full, pytest.mark.timeout(300)])],
    ids=["quick", "full"],
)
async def test_connections_of_two_relays_cut_at_random_lose_nothing(
    world: World, seconds: float, figures: Callable[[str], None]
) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda _: Reply(delay=0.05)
    await application.add_endpoint(receiver.url())
    daemons = [await world.start(LIMITS), await world.start(LIMITS)]
    cuts = 0
    async with steady_load(application, rate=100):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            cuts += await _cut_some(application)
            await asyncio.sleep(random.uniform(0.05, 0.4))  # noqa: S311 - no secret
    await application.wait_until(ALL_ENDED, limit=90)

    changes = sum(len(daemon.logged("relay.active")) for daemon in daemons)
    findings = await check_everything(application, receiver)
    figures(
        f"{cuts} connections cut, {changes} changes of the active, {findings.duplicates.total()} duplicates"
    )
    findings.assert_right()
    assert [daemon.exit_code for daemon in daemons] == [None, None]
    await _stop(daemons)


async def _cut_some(application: Application) -> int:
    rows = await application.fetch(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and application_name like 'relay %' and random() < 0.3"
    )
    return len(rows)


async def _seconds_to_the_next(receiver: Receiver) -> float:
    since = time.monotonic()
    count = len(receiver.receipts)
    await receiver.wait_for_requests(count + 1)
    return receiver.receipts[count].request.at - since


async def _stop(daemons: list[Daemon]) -> None:
    for daemon in daemons:
        assert await daemon.terminate() == 0
