"""Stopping: what is in flight is waited for, nothing is sent twice, and the wait has an end."""

import asyncio
import signal
import time

import pytest

from tests.support.checker import check_everything
from tests.support.receiver import SILENCE, Reply
from tests.support.world import PROOF, World

pytestmark = pytest.mark.fault

OPEN = 500
HELD_FOR = 3.0
MARGIN = 3.0
"""Seconds that a stop may take beside the drain, on a busy machine."""
MANY = {"delivery": {"max_in_flight": OPEN + 100, "max_in_flight_per_endpoint": OPEN}}


async def test_a_drain_waits_for_answers_and_nothing_is_sent_twice(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    daemon = await world.start(MANY)
    await world.prove(daemon)
    receiver.hold()
    await application.insert_all(['{"id": 1}'] * (OPEN + 200))
    await receiver.wait_for_open(OPEN)

    daemon.signal(signal.SIGTERM)
    await daemon.wait_for_log("relay.draining", in_flight=OPEN)
    asyncio.get_running_loop().call_later(HELD_FOR, receiver.release)
    assert await daemon.wait(HELD_FOR + MARGIN) == 0

    taken = len(receiver.receipts)
    assert taken == PROOF + OPEN
    assert {receipt.status for receipt in receiver.receipts} == {200}
    assert await application.fetchval("select count(*) from relay.attempt") == taken
    assert daemon.logged("relay.stopped", unfinished=0)
    await (await world.start(MANY, options=["--until-idle"])).wait()
    findings = await check_everything(application, receiver)
    findings.assert_right()


async def test_a_drain_that_runs_out_of_time_leaves_its_deliveries_due_at_once(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    daemon = await world.start({"delivery": {"drain": "1s"}})
    await world.prove(daemon)
    receiver.respond = lambda _: SILENCE
    await application.insert_all(['{"id": 1}'] * 20)
    await receiver.wait_for_open(20)

    assert await daemon.terminate(1.0 + MARGIN) == 0

    left = await application.fetch(
        "select state, attempt, claimed_by, next_attempt_at <= now() from relay.delivery"
    )
    assert [tuple(row) for row in left] == [("pending", 0, None, True)] * 20
    receiver.respond = lambda _: Reply()
    successor = await world.start()
    await successor.wait_for_log("delivery.delivered", count=20)
    assert {request.attempt for request in receiver.received} == {1}
    (await check_everything(application, receiver)).assert_right(most_duplicates=20)


async def test_a_stop_while_idle_takes_less_than_a_second(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start()
    await world.application.insert()
    await daemon.wait_for_log("delivery.delivered")

    began = time.monotonic()
    assert await daemon.terminate() == 0
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
async def test_signals_during_the_drain_change_nothing(world: World, again: signal.Signals) -> None:
    receiver, application = world.receiver, world.application
    receiver.hold()
    await application.add_endpoint(receiver.url())
    daemon = await world.start()
    await application.insert()
    await receiver.wait_for_open(1)

    daemon.signal(signal.SIGINT)
    await daemon.wait_for_log("relay.draining")
    for _ in range(3):
        daemon.signal(again)
    receiver.release()

    assert await daemon.wait() == 0
    assert not daemon.stderr
    (await check_everything(application, receiver)).assert_right()


async def test_the_drain_ends_in_time_although_a_statement_does_not_come_back(world: World) -> None:
    receiver, application = world.receiver, world.application
    receiver.hold()
    await application.add_endpoint(receiver.url())
    daemon = await world.start({"delivery": {"drain": "1s"}})
    await application.insert()
    await receiver.wait_for_open(1)
    connection = await application.connection()
    async with connection.transaction():
        await connection.execute("lock table relay.outbox in access exclusive mode")
        await application.wait_until("select exists (select from pg_locks where not granted)")

        daemon.signal(signal.SIGTERM)
        await receiver.wait_for(lambda: receiver.open_requests == 0, limit=1.0 + MARGIN)
    assert await daemon.wait(MARGIN) == 0
    assert await application.fetchval("select count(*) from relay.delivery where claimed_by is null") == 1
