"""An endpoint that asks to be left alone is left alone, all of it, and for as long as it asked."""

from uuid import UUID

from tests.support.receiver import Reply
from tests.support.world import World

SECONDS = 3
BUSY = Reply(status=429, headers=(("Retry-After", str(SECONDS)),))
QUICK = {"retry": {"base": "50ms", "factor": 1.0, "jitter": 0.0}}


async def health_of(world: World, endpoint_id: UUID) -> tuple[str, bool]:
    """Return the state of its breaker, and whether people see that it is left alone."""
    (row,) = await world.application.fetch(
        "select breaker, coalesce(paused_until > now(), false) as is_paused from relay.endpoint_health"
        " where endpoint_id = $1",
        endpoint_id,
    )
    return row["breaker"], row["is_paused"]


async def test_a_busy_endpoint_gets_nothing_until_its_time_is_over_and_others_do(world: World) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda request: BUSY if request.path == "/busy" and request.attempt == 1 else Reply()
    busy = await application.add_endpoint(receiver.url("/busy"), event_types=["busy"])
    await application.add_endpoint(receiver.url("/well"), event_types=["well"])
    daemon = await world.start(QUICK)
    first = await application.insert(event_type="busy")
    await daemon.wait_for_log("endpoint.throttled", endpoint_id=busy)
    refused = receiver.of(first)[0].at
    await application.wait_until(
        "select paused_until > now() from relay.endpoint_condition where endpoint_id = $1", busy
    )
    assert await health_of(world, busy) == ("closed", True)

    receiver.respond = lambda _: Reply()
    later = await application.insert_all(['{"id": 1}'] * 20, event_type="busy")
    for _ in range(5):
        await application.wait_for_state(await application.insert(event_type="well"), "delivered")
    assert [request.path for request in receiver.received].count("/busy") == 1

    for event_id in (first, *later):
        await application.wait_for_state(event_id, "delivered")
    moments = [each.request.at for each in receiver.receipts if each.request.path == "/busy"]
    assert min(moment for moment in moments if moment > refused) - refused >= SECONDS * 0.99
    assert {row["attempts"] for event_id in later for row in await application.status(event_id)} == {1}
    await application.wait_until("select not exists (select from relay.endpoint_condition)")
    assert await health_of(world, busy) == ("closed", False)


async def test_a_wish_outlives_the_relay_and_ends_with_a_change_by_hand(world: World) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda _: Reply(status=503, headers=(("Retry-After", "3600"),))
    endpoint_id = await application.add_endpoint(receiver.url())
    first = await world.start(QUICK)
    await application.insert()
    await first.wait_for_log("endpoint.throttled", endpoint_id=endpoint_id)
    await application.wait_until("select exists (select from relay.endpoint_condition)")
    await first.terminate()
    receiver.respond = lambda _: Reply()

    second = await world.start(QUICK)
    event_id = await application.insert()
    await second.wait_for_log("event.fanned_out", event_id=event_id)
    assert len(receiver.received) == 1

    await application.fetch("update relay.endpoint set description = 'well again' where id = $1", endpoint_id)
    await application.wait_for_state(event_id, "delivered")
