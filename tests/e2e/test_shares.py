"""Slots are shared so that silent endpoints, retries and new events leave each other their part."""

from relay.endpoints.limits import START
from tests.support.receiver import Receiver, Reply
from tests.support.world import World

SLOTS = 40
FEW = {"delivery": {"max_in_flight": SLOTS}}


async def test_fifty_silent_endpoints_do_not_hold_all_slots(world: World) -> None:
    async with Receiver() as silent:
        silent.hold()
        for number in range(50):
            await world.application.add_endpoint(silent.url(f"/{number}"), event_types=["all"])
        await world.application.add_endpoint(world.receiver.url(), event_types=["all", "healthy"])
        daemon = await world.start(FEW)
        await world.prove(daemon, event_type="healthy")

        ids = await world.application.insert_all(['{"id": 1}'] * 100, event_type="all")
        for event_id in ids:
            await world.receiver.wait_for_event(event_id)
        await silent.wait_for_open(SLOTS // 4)

        assert silent.most_open == SLOTS // 4
        assert not daemon.logged("attempt.failed")


async def test_endpoints_that_fall_silent_get_no_more_than_what_they_had(world: World) -> None:
    async with Receiver() as silent:
        await world.application.add_endpoint(silent.url(), event_types=["silent"], max_in_flight=30)
        await world.application.add_endpoint(world.receiver.url(), event_types=["healthy"])
        daemon = await world.start(FEW)
        await world.prove(daemon, event_type="silent")
        silent.hold()

        await world.application.insert_all(['{"id": 1}'] * 100, event_type="silent")
        await silent.wait_for_open(30)
        for _ in range(30):
            event_id = await world.application.insert(event_type="healthy")
            await daemon.wait_for_log("delivery.delivered", event_id=event_id)

        assert silent.most_open == 30


async def test_a_mass_of_retries_leaves_a_quarter_of_the_slots_to_first_attempts(world: World) -> None:
    async with Receiver() as slow:
        await world.application.add_endpoint(slow.url(), event_types=["slow"])
        await world.application.add_endpoint(world.receiver.url(), event_types=["healthy"])
        daemon = await world.start({**FEW, "retry": {"base": "100ms"}, "breaker": {"enabled": False}})
        await world.prove(daemon, event_type="slow")
        slow.respond = lambda request: Reply(status=500) if request.attempt == 1 else Reply(delay=15.0)

        await world.application.insert_all(['{"id": 1}'] * 100, event_type="slow")
        await daemon.wait_for_log("attempt.failed", count=100)
        await slow.wait_for_open(SLOTS * 3 // 4)
        healthy = await world.application.insert(event_type="healthy")
        await daemon.wait_for_log("delivery.delivered", event_id=healthy)

        assert slow.open_requests == SLOTS * 3 // 4


async def test_new_events_leave_a_part_of_the_slots_to_what_is_due(world: World) -> None:
    world.receiver.respond = lambda _: Reply(delay=0.05)
    await world.application.add_endpoint(world.receiver.url(), event_types=["new"])
    async with Receiver() as other:
        other.script = {(None, 1): Reply(status=503)}
        await world.application.add_endpoint(other.url(), event_types=["due"])
        daemon = await world.start({**FEW, "retry": {"base": "100ms"}})
        await world.prove(daemon, event_type="new")

        due = await world.application.insert(event_type="due")
        await world.application.insert_all(['{"id": 1}'] * 1500, event_type="new")
        await other.wait_for_event(due, count=2)

        assert len(world.receiver.receipts) < 1500


async def test_an_endpoint_gets_all_it_may_have_after_a_few_answers(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start()
    await world.prove(daemon)
    world.receiver.hold()

    await world.application.insert_all(['{"id": 1}'] * 200)
    await world.receiver.wait_for_open(100)
    assert world.receiver.most_open == 100
    world.receiver.release()


async def test_an_endpoint_that_never_answered_gets_only_a_few(world: World) -> None:
    world.receiver.hold()
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start()

    ids = await world.application.insert_all(['{"id": 1}'] * 200)
    await world.receiver.wait_for_open(START)
    await daemon.wait_for_log("event.fanned_out", event_id=ids[-1])
    assert world.receiver.most_open == START

    world.receiver.release()
    await daemon.wait_for_log("delivery.delivered", count=200)
