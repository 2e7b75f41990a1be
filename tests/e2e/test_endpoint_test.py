"""A test event goes to one endpoint, once, and the log says that it was a test."""

import asyncio
import sys

import pytest

from tests.support.daemon import CHECKOUT, surroundings
from tests.support.receiver import Reply
from tests.support.world import World


async def test_it_is_delivered_whatever_the_endpoint_subscribes_to(world: World) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url(), event_types=["nothing"])
    await world.application.add_endpoint(world.receiver.url("/other"))
    await world.start()

    shown = await world.relay("endpoint", "test", str(endpoint_id), "-o", "json")

    (request,) = world.receiver.received
    assert shown["delivery"] == f"{request.event_id}/{endpoint_id}"
    assert (shown["state"], shown["last_status_code"]) == ("delivered", 200)
    assert (request.path, request.body) == ("/hook", b'{"test": true}')
    assert request.header("X-Webhook-Event") == "relay.test"
    (row,) = await world.application.fetch("select trigger_type, attempt, outcome from relay.delivery_log")
    assert tuple(row) == ("test", 1, "delivered")
    (audited,) = await world.application.fetch("select action, object from relay.audit")
    assert tuple(audited) == ("endpoint.test", str(endpoint_id))


async def test_one_that_fails_is_not_retried_and_the_command_says_so(world: World) -> None:
    world.receiver.respond = lambda _: Reply(status=500)
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    await world.start()

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", "endpoint", "test", str(endpoint_id), "-o", "json"),
        *("--event-type", "invoice.paid", "--payload", '{"id":42}'),
        cwd=CHECKOUT,
        env={**surroundings(), "RELAY_DATABASE__DSN": world.dsn},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, said = await process.communicate()

    assert process.returncode == 1
    assert b'"dead"' in printed
    assert b"was not delivered" in said
    (request,) = world.receiver.received
    assert (request.header("X-Webhook-Event"), request.body) == ("invoice.paid", b'{"id":42}')


@pytest.mark.parametrize("option", [["--payload", "{"], ["--event-type", "no type"]])
async def test_what_cannot_be_sent_is_refused_and_nothing_is_stored(world: World, option: list[str]) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url())

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", "endpoint", "test", str(endpoint_id), *option),
        cwd=CHECKOUT,
        env={**surroundings(), "RELAY_DATABASE__DSN": world.dsn},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()

    assert process.returncode == 2, said
    assert b"Traceback" not in said
    assert await world.application.fetchval("select count(*) from relay.outbox") == 0
