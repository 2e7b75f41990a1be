"""What goes wrong with one event, endpoint or row stays with it."""

import time

from tests.support.application import SECRET
from tests.support.database import connected
from tests.support.receiver import Receiver, Reply
from tests.support.world import World

KIB = 1024


async def test_a_flood_of_interim_responses_ends_its_own_attempt_and_holds_up_nobody(world: World) -> None:
    flood = b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000
    async with Receiver() as hostile:
        hostile.respond = lambda _: Reply(raw=flood)
        await world.application.add_endpoint(hostile.url(), event_types=["hostile"])
        await world.application.add_endpoint(world.receiver.url(), event_types=["healthy"])
        daemon = await world.start()
        floods = await world.application.insert_all(['{"id": 1}'] * 5, event_type="hostile")
        began = time.monotonic()

        healthy = await world.application.insert(event_type="healthy")
        await world.receiver.wait_for_event(healthy)

        assert time.monotonic() - began < 2.0
        for event_id in floods:
            line = await daemon.wait_for_log("attempt.failed", event_id=event_id)
            assert line["error"] == "protocol"
        assert not daemon.logged("loop.stalled")


async def test_large_events_of_a_silent_endpoint_leave_small_ones_of_another_their_way(world: World) -> None:
    async with Receiver() as silent:
        silent.hold()
        await world.application.add_endpoint(silent.url(), event_types=["large"])
        await world.application.add_endpoint(world.receiver.url(), event_types=["small"])
        large = f'{{"x": "{"y" * 200 * KIB}"}}'
        await world.start({"delivery": {"max_in_flight_bytes": "512KiB"}})
        await world.application.insert_all([large] * 6, event_type="large")
        await silent.wait_for_open(2)

        small = await world.application.insert(event_type="small")

        await world.receiver.wait_for_event(small)
        silent.release()


async def test_an_event_over_the_whole_byte_budget_is_sent_when_nothing_else_is_in_hand(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    large = await world.application.insert(f'{{"x": "{"y" * 100 * KIB}"}}')
    small = await world.application.insert('{"id": 2}')

    await world.start({"delivery": {"max_in_flight_bytes": "64KiB", "max_payload_bytes": "32KiB"}})

    await world.receiver.wait_for_event(large)
    await world.receiver.wait_for_event(small)


async def test_a_fresh_event_that_was_locked_during_a_look_is_sent_once_it_is_free(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    locked = await world.application.insert()
    async with connected(world.dsn) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("select from relay.fresh for update")
        await world.start()
        other = await world.application.insert()
        await world.receiver.wait_for_event(other)

        await transaction.rollback()

    await world.receiver.wait_for_event(locked)


async def test_every_delivery_of_an_endpoint_that_was_deleted_ends(world: World) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url(), state="paused")
    await world.start()
    await world.application.insert_all(['{"id": 1}'] * 2500)
    await world.application.wait_until("select count(*) = 2500 from relay.delivery")

    await world.application.execute("delete from relay.endpoint where id = $1", endpoint_id)

    await world.application.wait_until(
        "select count(*) = 2500 from relay.delivery where state = 'dead' and reason = 'endpoint_removed'"
    )


async def test_a_row_that_is_no_endpoint_is_told_of_and_takes_no_other_along(world: World) -> None:
    await world.application.execute("alter table relay.endpoint_secret drop constraint secret_is_whole")
    bad = await world.application.add_endpoint(
        world.receiver.url("/bad"), event_types=["bad"], secrets=["whsec_oops"]
    )
    await world.application.add_endpoint(world.receiver.url(), event_types=["good"], secrets=[SECRET])
    daemon = await world.start()

    good = await world.application.insert(event_type="good")

    await world.receiver.wait_for_event(good)
    line = await daemon.wait_for_log("endpoint.unusable", endpoint_id=bad)
    assert "secret" in line["detail"]


async def test_pauses_and_changes_that_come_together_are_all_seen(world: World) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start()
    for number in range(15):
        await world.application.execute(
            "update relay.endpoint set description = $2 where id = $1", endpoint_id, f"change {number}"
        )
        await world.application.execute("insert into relay.pause (tenant) values (null)")
        held = await world.application.insert()
        await daemon.wait_for_log("delivery.held", event_id=held, reason="sending_paused")
        await world.application.execute("delete from relay.pause")
        await world.receiver.wait_for_event(held)
