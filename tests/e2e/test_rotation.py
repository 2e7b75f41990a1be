"""While a secret is changed, whoever has the old one or the new one can verify every request."""

import asyncio
import json
import os
import sys
from uuid import UUID

from relay.receiver import VerificationError, verify
from tests.fault.load import steady_load
from tests.support.application import SECRET
from tests.support.command_line import LOOPBACK
from tests.support.receiver import Received
from tests.support.signed_requests import verify_like_a_home_made_receiver
from tests.support.world import World

OVERLAP = 2.0


async def rotate(world: World, endpoint_id: UUID, *options: str) -> str:
    """Rotate with the command, and return the new secret."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", "endpoint", "rotate-secret", str(endpoint_id)),
        *("-o", "json", *options),
        env={**os.environ, **LOOPBACK, "RELAY_DATABASE__DSN": world.dsn},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    secret: str = json.loads(out)["secret"]
    return secret


def verifies(request: Received, secret: str) -> bool:
    try:
        verify(request.body, request.headers, secret, "standard")
        verify(request.body, request.headers, secret, "x-webhook")
    except VerificationError:
        return False
    return True


async def test_every_request_verifies_through_the_whole_overlap_and_the_old_secret_ends_with_it(
    world: World,
) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url())
    await world.start()
    async with steady_load(application, rate=500, batch=5):
        await receiver.wait_for_requests(300)
        new = await rotate(world, endpoint_id, "--overlap", f"{OVERLAP:g}s")
        await asyncio.sleep(OVERLAP + 1.5)
    await application.wait_until(
        "select not exists (select from relay.fresh) and not exists (select from relay.delivery)"
    )

    signed = {(True, False): list[float](), (True, True): list[float](), (False, True): list[float]()}
    for request in receiver.received:
        signed[verifies(request, SECRET), verifies(request, new)].append(request.at)

    only_old, both, only_new = signed.values()
    assert min(len(only_old), len(both), len(only_new)) > 50
    assert max(only_old) < min(only_new)
    assert OVERLAP - 1 < max(both) - min(both) < OVERLAP + 1


def home_made_accepts(request: Received, secret: str) -> bool:
    header = dict(request.headers)["X-Webhook-Signature"]
    return verify_like_a_home_made_receiver(request.body, header, secret)


async def test_a_receiver_that_keeps_only_the_last_signature_gets_through_a_rotation_without_an_overlap(
    world: World,
) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url())
    await world.start()
    async with steady_load(application, rate=100, batch=5):
        await receiver.wait_for_requests(20)
        new = await rotate(world, endpoint_id, "--at-once", "--yes")
        await receiver.wait_for(lambda: home_made_accepts(receiver.received[-1], new))
        await receiver.wait_for_requests(len(receiver.received) + 50)

    accepted = [(home_made_accepts(each, SECRET), home_made_accepts(each, new)) for each in receiver.received]
    assert {*accepted} == {(True, False), (False, True)}
    assert {*accepted[-40:]} == {(False, True)}


async def test_with_an_overlap_it_refuses_the_new_secret_until_the_old_one_ends(world: World) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url())
    new = await rotate(world, endpoint_id, "--overlap", "1h")
    await world.start()
    await application.insert()
    (request,) = await receiver.wait_for_requests(1)

    assert verifies(request, new)
    assert not home_made_accepts(request, new)
    assert home_made_accepts(request, SECRET)
