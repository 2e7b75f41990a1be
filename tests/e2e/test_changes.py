"""What operators change while the relay runs takes effect at once, and what waits is shown to wait."""

from uuid import UUID

from tests.support.application import SECRET
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import eventually
from tests.support.world import World

FAST_RETRIES = {"retry": {"base": "20ms", "factor": 1.0, "max_age": "1h"}}
SOON = 1.0
"""Seconds within which a change takes effect."""


async def test_deliveries_of_a_paused_endpoint_are_held_visibly_and_arrive_after_it_is_resumed(
    world: World,
) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start()
    await daemon.wait_for_log("delivery.delivered", event_id=await world.application.insert())

    await world.application.change_endpoint(endpoint_id, state="paused")
    held = await world.application.insert_all(["{}"] * 10)
    row = await world.application.wait_for_state(held[-1], "held", reason="endpoint_paused")
    assert row["attempts"] == 0
    assert len(world.receiver.received) == 1, "nothing is sent to a paused endpoint"

    await world.application.change_endpoint(endpoint_id, state="active")
    await world.receiver.wait_for_requests(11, limit=SOON)
    assert set(world.receiver.counts()) >= {str(event_id) for event_id in held}


async def test_a_pause_stops_retries_within_a_second(world: World) -> None:
    world.receiver.respond = lambda _: Reply(status=500)
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    await world.start(FAST_RETRIES)
    event_id = await world.application.insert()
    await world.receiver.wait_for_event(event_id, count=3)

    await world.application.change_endpoint(endpoint_id, state="paused")
    await world.application.wait_for_state(event_id, "held", reason="endpoint_paused", limit=SOON)
    changed_at = await world.application.fetchval(
        "select extract(epoch from updated_at)::float8 from relay.endpoint where id = $1", endpoint_id
    )
    other = await world.application.insert()
    await world.application.wait_for_state(other, "held", reason="endpoint_paused")

    assert all(request.wall < changed_at + SOON for request in world.receiver.received)
    world.receiver.respond = lambda _: Reply()
    await world.application.change_endpoint(endpoint_id, state="active")
    await world.application.wait_for_state(event_id, "delivered", limit=SOON)


async def test_a_changed_url_counts_for_what_waits_and_for_what_comes(world: World) -> None:
    world.receiver.respond = lambda request: Reply(status=500 if request.path == "/old" else 200)
    endpoint_id = await world.application.add_endpoint(world.receiver.url("/old"))
    await world.start(FAST_RETRIES)
    waiting = await world.application.insert()
    await world.receiver.wait_for_event(waiting, count=2)

    await world.application.change_endpoint(endpoint_id, url=world.receiver.url("/new"))
    coming = await world.application.insert()
    await world.application.wait_for_state(waiting, "delivered", limit=SOON)
    await world.application.wait_for_state(coming, "delivered", limit=SOON)

    assert [request.path for request in world.receiver.of(coming)] == ["/new"]
    assert world.receiver.of(waiting)[-1].path == "/new"


async def test_relay_pause_holds_everything_and_relay_resume_lets_it_go(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start()
    await daemon.wait_for_log("delivery.delivered", event_id=await world.application.insert())

    await world.relay("pause", "-o", "json")
    held = await world.application.insert()
    await world.application.wait_for_state(held, "held", reason="sending_paused")
    assert len(world.receiver.received) == 1

    await world.relay("resume", "-o", "json")
    await world.receiver.wait_for_event(held)


async def test_a_pause_of_one_tenant_holds_only_its_own(world: World) -> None:
    for tenant in ("blue", "red"):
        await world.application.add_endpoint(world.receiver.url(f"/{tenant}"), tenant=tenant)
    await world.start()
    await world.application.execute("insert into relay.pause (tenant) values ('blue')")

    blue = await world.application.insert(tenant="blue")
    red = await world.application.insert(tenant="red")
    await world.application.wait_for_state(red, "delivered")
    await world.application.wait_for_state(blue, "held", reason="sending_paused")
    await world.application.execute("delete from relay.pause")
    await world.application.wait_for_state(blue, "delivered", limit=SOON)


async def test_a_pause_outlasts_a_restart(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    await world.application.execute("insert into relay.pause default values")
    event_id = await world.application.insert()
    first = await world.start()
    await first.wait_for_log("event.fanned_out", event_id=event_id)
    assert await first.terminate() == 0

    await world.start()
    await world.application.wait_for_state(event_id, "held", reason="sending_paused")
    assert not world.receiver.received
    await world.application.execute("delete from relay.pause")
    await world.application.wait_for_state(event_id, "delivered", limit=SOON)


async def test_an_endpoint_without_a_secret_is_never_sent_anything_unsigned(world: World) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url("/bare"), secrets=[])
    await world.application.add_endpoint(world.receiver.url("/signed"))
    await world.start()
    event_id = await world.application.insert()
    states = await eventually(lambda: both_settled(world, event_id), "one delivered, one held")
    assert states == {("delivered", None), ("held", "secret_missing")}
    assert [request.path for request in world.receiver.received] == ["/signed"]

    await world.application.execute(
        "insert into relay.endpoint_secret (endpoint_id, sealed) values ($1, $2)",
        endpoint_id,
        SECRET.encode(),
    )
    await world.receiver.wait_for_requests(2, limit=SOON)
    assert world.receiver.received[-1].path == "/bare"
    assert world.receiver.received[-1].header("webhook-signature")


async def both_settled(world: World, event_id: UUID) -> set[tuple[str, str | None]]:
    """Return state and reason of both deliveries, or nothing while one of them is on its way."""
    states = {(row["state"], row["reason"]) for row in await world.application.status(event_id)}
    return states if {state for state, _ in states} == {"delivered", "held"} else set()


async def test_deliveries_of_a_removed_endpoint_end_where_people_see_them(world: World) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url(), state="paused")
    daemon = await world.start()
    event_id = await world.application.insert()
    await world.application.wait_for_state(event_id, "held")

    await world.application.execute("delete from relay.endpoint where id = $1", endpoint_id)
    await daemon.wait_for_log("delivery.dead", event_id=event_id, reason="endpoint_removed")

    await world.application.wait_for_state(event_id, "dead", reason="endpoint_removed")
    assert not world.receiver.received


async def test_an_endpoint_gets_at_most_its_own_limit_at_once(world: World) -> None:
    async with Receiver() as slow:
        slow.hold()
        await world.application.add_endpoint(slow.url("/slow"), max_in_flight=3)
        await world.application.add_endpoint(world.receiver.url("/quick"))
        daemon = await world.start()
        await world.application.insert_all(["{}"] * 30)
        await world.receiver.wait_for_requests(30)
        await slow.wait_for_open(3)
        assert slow.most_open == 3

        slow.release()
        await daemon.wait_for_log("delivery.delivered", count=60)
        assert slow.most_open == 3
        assert len(slow.counts()) == 30
