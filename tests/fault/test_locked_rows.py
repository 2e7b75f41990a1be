"""A row that stands in the way delays itself and nothing else."""

import asyncio
from uuid import uuid4

import pytest

from tests.support.application import Application, insert_events
from tests.support.checker import check_everything
from tests.support.world import PROOF, World

pytestmark = pytest.mark.fault

HELD_FOR = 3.0
LEFT = "select count(*) from relay.delivery"


async def test_a_delivery_that_an_application_holds_locked_is_recorded_when_it_is_let_go(
    world: World,
) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    daemon = await world.start()
    await world.prove(daemon)
    receiver.hold()
    locked = await application.insert()
    await application.insert_all(['{"id": 1}'] * 60)
    await receiver.wait_for_open(61)

    async with Application(world.dsn) as other:
        connection = await other.connection()
        async with connection.transaction():
            await connection.execute(
                "select from relay.delivery d join relay.outbox o on o.seq = d.event_seq"
                " where o.id = $1 for update of d",
                locked,
            )
            receiver.release()
            await daemon.wait_for_log("delivery.delivered", count=PROOF + 60)
            await application.insert_all(['{"id": 2}'] * 60)
            await daemon.wait_for_log("delivery.delivered", count=PROOF + 120)
            await asyncio.sleep(HELD_FOR)
            assert await application.fetchval(LEFT) == 1
            assert not daemon.logged("delivery.delivered", event_id=locked)
    await daemon.wait_for_log("delivery.delivered", event_id=locked)
    assert await application.fetchval(LEFT) == 0
    assert await daemon.terminate() == 0
    (await check_everything(application, receiver)).assert_right()


async def test_a_delivery_that_is_locked_while_it_is_due_is_claimed_when_it_is_let_go(world: World) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url(), state="paused")
    daemon = await world.start()
    locked = await application.insert()
    others = await application.insert_all(['{"id": 1}'] * 20)
    await application.wait_until("select count(*) = 21 from relay.delivery")

    async with Application(world.dsn) as other:
        connection = await other.connection()
        async with connection.transaction():
            await connection.execute(
                "select from relay.delivery d join relay.outbox o on o.seq = d.event_seq"
                " where o.id = $1 for update of d",
                locked,
            )
            await application.change_endpoint(endpoint_id, state="active")
            await daemon.wait_for_log("delivery.delivered", count=len(others))
            assert not receiver.of(locked)
    await receiver.wait_for_event(locked, limit=5)
    assert await daemon.terminate() == 0
    (await check_everything(application, receiver)).assert_right()


async def test_one_bad_event_in_a_batch_ends_visibly_and_the_others_are_fanned_out(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    await application.execute(
        "alter table relay.delivery add constraint no_bad_one check (size <> 17)"  # as any data error would
    )
    connection = await application.connection()
    good = [uuid4() for _ in range(40)]
    bad = uuid4()
    ids = [*good[:13], bad, *good[13:]]
    rows: list[dict[str, object]] = [
        {"id": each, "event_type": "invoice.paid", "payload": '{"padding": "17"}' if each == bad else "{}"}
        for each in ids
    ]
    await insert_events(connection, rows)

    daemon = await world.start()
    await daemon.wait_for_log("delivery.delivered", count=len(good))
    await daemon.wait_for_log("event.unprocessable", event_id=bad)

    (status,) = await application.status(bad)
    assert (status["state"], status["reason"]) == ("dead", "unprocessable")
    assert set(receiver.counts().values()) == {1}
    assert not receiver.of(bad)
    later = await application.insert()
    await receiver.wait_for_event(later)
    assert daemon.exit_code is None


async def test_an_event_whose_time_is_out_of_range_does_not_stop_the_others(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    daemon = await world.start()
    await application.execute(
        "begin; alter table relay.outbox disable trigger outbox_updated;"
        " insert into relay.outbox (event_type, payload) select 'invoice.paid', '{}'"
        " from generate_series(1, 4);"
        " update relay.outbox set deliver_at = at::timestamptz"
        " from unnest(array['294276-12-31 23:59:59.999999+00', 'infinity', '-infinity', null])"
        " with ordinality as a(at, n) where seq = (select min(seq) from relay.outbox) + n - 1;"
        " commit"
    )
    await daemon.wait_for_log("delivery.delivered", count=2)
    await application.wait_until("select not exists (select from relay.fresh)")
    assert len(receiver.receipts) == 2
    assert daemon.exit_code is None
