"""An endpoint with a filter gets the events whose payload contains what it asks for, and no others."""

import pytest

from tests.support.world import World

EUR = '{"currency": "EUR"}'


async def test_only_what_contains_the_filter_is_delivered(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url("/eur"), filter=EUR)
    await application.add_endpoint(receiver.url("/all"))
    await world.start()

    euros = await application.insert_all(['{"id": 1, "currency": "EUR"}', '{"currency":"EUR","lines":[1,2]}'])
    others = await application.insert_all([
        '{"currency": "USD"}', '{"currency": ["EUR"]}', '{"nested": {"currency": "EUR"}}', "[]", '"EUR"',
    ])  # fmt: skip
    text = await application.insert(None, body=b"currency=EUR", content_type="text/plain")

    await receiver.wait_for_requests(2 * len(euros) + len(others) + 1)
    got = {
        path: {each.event_id for each in receiver.received if each.path == path} for path in ("/eur", "/all")
    }
    assert got["/eur"] == {str(each) for each in euros}
    assert got["/all"] == {str(each) for each in (*euros, *others, text)}


async def test_what_nobody_wants_is_unrouted(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url(), filter=EUR)
    daemon = await world.start()

    event_id = await world.application.insert('{"currency": "USD"}')

    await daemon.wait_for_log("event.unrouted", event_id=event_id)
    assert await world.application.wait_for_state(event_id, "unrouted")


@pytest.mark.parametrize("in_flight", [1, 50])
async def test_a_want_of_slots_changes_nothing(world: World, in_flight: int) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url(), filter=EUR)
    payloads = ['{"currency": "EUR"}', '{"currency": "USD"}'] * 100
    ids = await application.insert_all(payloads)

    daemon = await world.start({"delivery": {"max_in_flight": in_flight}}, options=["--until-idle"])
    assert await daemon.wait() == 0

    assert receiver.counts() == {str(each): 1 for each in ids[::2]}


async def test_payloads_that_jsonb_cannot_hold_harm_nobody(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url(), filter=EUR)
    daemon = await world.start()
    odd = [
        '{"currency": "EUR", "text": "\\u0000"}',
        '{"currency": "EUR", "text": "\\ud800"}',
        '{"currency": "EUR", "number": 1e400}',
        '{"currency": "EUR", "number": ' + "9" * 5000 + "}",
    ]
    deep = '{"currency": "USD", "deep": ' + "[" * 3000 + "]" * 3000 + "}"

    ids = await application.insert_all(odd)
    unjudged = await application.insert(deep)

    for event_id in (*ids, unjudged):
        await application.wait_for_state(event_id, "delivered")
    await daemon.wait_for_log("event.unjudged", event_id=unjudged)


async def test_an_event_for_the_endpoint_alone_passes_its_filter(world: World) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url(), filter=EUR)
    await world.start()

    event_id = await world.application.insert('{"currency": "USD"}', endpoint_id=endpoint_id)

    await world.application.wait_for_state(event_id, "delivered")


async def test_a_filter_given_while_it_runs_holds_for_what_comes_after(world: World) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url())
    await world.start()
    before = await application.insert('{"currency": "USD"}')
    await application.wait_for_state(before, "delivered")

    await application.change_endpoint(endpoint_id, filter=EUR)
    after = await application.insert_all(['{"currency": "USD"}', EUR])

    await application.wait_for_state(after[1], "delivered")
    await application.wait_for_state(after[0], "unrouted")
