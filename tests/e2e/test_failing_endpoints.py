"""An endpoint that only fails is told of, warned of and disabled; what is held then comes after resuming it."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from tests.support.receiver import Receiver, Reply
from tests.support.world import World

# Three days in three seconds.
SCALED = {
    "retry": {"base": "50ms", "factor": 1.0, "jitter": 0.0, "max_age": "1h"},
    "breaker": {
        "open_for": "50ms",
        "max_open_for": "100ms",
        "disable_after": "3s",
        "warn_before": "1s",
        "disable_min_attempts": 20,
    },
}
STORY = ["endpoint.unhealthy", "endpoint.unhealthy", "endpoint.disabled"]


@pytest.fixture
async def operator(world: World) -> AsyncIterator[Receiver]:
    """Provide the operator's receiver, which gets all that Relay tells of."""
    async with Receiver() as receiver:
        await world.application.add_endpoint(receiver.url(), tenant="operator")
        yield receiver


def told(operator: Receiver) -> list[tuple[str, dict[str, Any]]]:
    """Return what it was told, each event once: after a crash one may come again."""
    events = {each.event_id: each for each in operator.received}
    return [(each.header("X-Webhook-Event"), json.loads(each.body)) for each in events.values()]


async def failing(world: World) -> tuple[UUID, list[UUID]]:
    """Return an endpoint that answers nothing but 500, and the events for it."""
    world.receiver.respond = lambda _: Reply(status=500)
    endpoint_id = await world.application.add_endpoint(world.receiver.url("/hook?token=hidden"))
    return endpoint_id, await world.application.insert_all(['{"id": 1}'] * 10)


async def disabled(world: World, endpoint_id: UUID) -> None:
    await world.application.wait_until(
        "select state = 'disabled' from relay.endpoint where id = $1", endpoint_id
    )


async def test_it_is_warned_of_twice_and_then_disabled(world: World, operator: Receiver) -> None:
    endpoint_id, events = await failing(world)
    daemon = await world.start(SCALED)

    await disabled(world, endpoint_id)
    await operator.wait_for_requests(3)

    story = told(operator)
    assert [name for name, _ in story] == STORY
    assert [about["reason"] for _, about in story] == ["failing", "to_be_disabled", "failing"]
    assert all(about["endpoint_id"] == str(endpoint_id) for _, about in story)
    assert all("hidden" not in json.dumps(about) for _, about in story)
    assert story[1][1]["disabled_at"] > story[1][1]["failing_since"]
    await daemon.wait_for_log("endpoint.unhealthy", endpoint_id=endpoint_id, reason="to_be_disabled")
    await daemon.wait_for_log("endpoint.disabled", endpoint_id=endpoint_id, reason="failing")
    for event_id in events:
        await world.application.wait_for_state(event_id, "held", reason="endpoint_disabled")


async def test_after_resuming_what_was_held_arrives(world: World, operator: Receiver) -> None:
    endpoint_id, events = await failing(world)
    await world.start(SCALED)
    await disabled(world, endpoint_id)
    late = await world.application.insert()
    await world.application.wait_for_state(late, "held", reason="endpoint_disabled")
    world.receiver.respond = lambda _: Reply()

    await world.relay("endpoint", "resume", str(endpoint_id), "-o", "json")

    for event_id in (*events, late):
        await world.application.wait_for_state(event_id, "delivered")
    assert len(operator.received) == 3, "it was resumed by hand, so nothing has recovered by itself"


async def test_without_catching_up_only_what_comes_later_arrives(world: World, operator: Receiver) -> None:
    endpoint_id, events = await failing(world)
    await world.start(SCALED)
    await disabled(world, endpoint_id)
    for event_id in events:
        await world.application.wait_for_state(event_id, "held")
    world.receiver.respond = lambda _: Reply()

    await world.relay("endpoint", "resume", str(endpoint_id), "--discard-waiting", "--yes", "-o", "json")
    late = await world.application.insert()

    await world.application.wait_for_state(late, "delivered")
    for event_id in events:
        await world.application.wait_for_state(event_id, "dead", reason="discarded")
    assert operator.received


async def test_how_long_it_fails_outlives_the_relay(world: World, operator: Receiver) -> None:
    endpoint_id, _ = await failing(world)
    first = await world.start(SCALED)
    since = await world.application.wait_until(
        "select failing_since from relay.endpoint_health where endpoint_id = $1", endpoint_id
    )
    await operator.wait_for_requests(1)
    await first.kill()

    await world.start(SCALED)
    await disabled(world, endpoint_id)

    (lasted,) = await world.application.fetch("select now() - $1::timestamptz as lasted", since)
    assert lasted["lasted"].total_seconds() < 6, "it did not begin anew"
    await operator.wait_for(lambda: [name for name, _ in told(operator)] == STORY, "the whole story, once")


async def test_a_success_ends_it_and_is_told(world: World, operator: Receiver) -> None:
    endpoint_id, events = await failing(world)
    await world.start(SCALED)
    await operator.wait_for_requests(1)

    world.receiver.respond = lambda _: Reply()

    for event_id in events:
        await world.application.wait_for_state(event_id, "delivered")
    await operator.wait_for(lambda: told(operator)[-1][0] == "endpoint.recovered", "that it is well")
    await world.application.wait_until(
        "select failing_since is null from relay.endpoint_health where endpoint_id = $1", endpoint_id
    )


async def test_what_is_given_up_and_who_asked_for_no_more_is_told(world: World, operator: Receiver) -> None:
    world.receiver.respond = lambda _: Reply(status=410)
    endpoint_id = await world.application.add_endpoint(world.receiver.url(), event_types=["invoice.*"])
    await world.start()

    event_id = await world.application.insert()
    await operator.wait_for_requests(2)

    story = dict(told(operator))
    assert story["delivery.dead"]["event_id"] == str(event_id)
    assert (story["delivery.dead"]["reason"], story["delivery.dead"]["status_code"]) == ("gone", 410)
    assert story["endpoint.disabled"]["endpoint_id"] == str(endpoint_id)
    assert story["endpoint.disabled"]["reason"] == "gone"


async def test_an_operators_endpoint_that_refuses_is_not_told_of_to_itself(
    world: World, operator: Receiver
) -> None:
    operator.respond = lambda _: Reply(status=410)
    world.receiver.respond = lambda _: Reply(status=410)
    await world.application.add_endpoint(world.receiver.url())
    await world.start(options=["--until-idle"], waits=False)
    event_id = await world.application.insert()

    await world.application.wait_for_state(event_id, "dead")
    await operator.wait_for_requests(1)
    await world.application.wait_until(
        "select count(*) = 1 from relay.endpoint where tenant = 'operator' and state = 'disabled'"
    )
    assert await world.application.fetchval("select count(*) from relay.outbox") <= 3
