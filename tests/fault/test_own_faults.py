"""What is Relay's own trouble is charged to no delivery and blamed on no endpoint."""

import asyncio
import resource
import signal
import sys
from pathlib import Path

import pytest

from tests.support.receiver import Reply
from tests.support.world import World

pytestmark = pytest.mark.fault

FEW = 20
"""Descriptors more than the daemon has open."""
CHARGED = "select count(*) from relay.delivery where attempt > 0"
BLAMED = (
    "select count(*) from relay.endpoint_condition"
    " where breaker <> 'closed' or failures > 0 or paused_until is not null"
)


def descriptors_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_without_descriptors_nothing_is_charged_and_all_is_delivered_once_there_are_some(
    world: World,
) -> None:
    receiver, application = world.receiver, world.application
    for number in range(4):
        await application.add_endpoint(receiver.url(f"/{number}"), event_types=[f"type.{number}"])
    daemon = await world.start(wrapper=[sys.executable, "-m", "tests.support.altered", "visible"])
    for number in range(4):
        await world.prove(daemon, event_type=f"type.{number}")
    receiver.hold()
    open_now = descriptors_of(daemon.pid)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (open_now + FEW, 4096))

    ids = [
        event_id
        for number in range(4)
        for event_id in await application.insert_all(['{"id": 1}'] * 50, event_type=f"type.{number}")
    ]
    await daemon.wait_for_log("delivery.released", count=100)

    assert await application.fetchval(CHARGED) == 0
    assert await application.fetchval(BLAMED) == 0
    assert not daemon.logged("endpoint.breaker_opened")
    assert not daemon.logged("attempt.failed")
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    receiver.release()
    for event_id in ids:
        await daemon.wait_for_log("delivery.delivered", event_id=event_id, attempt=1)
    assert daemon.exit_code is None


async def test_a_process_that_stood_still_for_longer_than_the_time_out_charges_nobody(world: World) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda _: Reply(status=200, delay=0.5)
    await application.add_endpoint(receiver.url())
    daemon = await world.start({"delivery": {"timeout": "1s", "connect_timeout": "500ms"}})
    ids = await application.insert_all(['{"id": 1}'] * 4)
    await receiver.wait_for_open(4)

    daemon.signal(signal.SIGSTOP)
    await asyncio.sleep(2.5)
    daemon.signal(signal.SIGCONT)

    for event_id in ids:
        await daemon.wait_for_log("delivery.delivered", event_id=event_id, attempt=1)
    assert not daemon.logged("attempt.failed")
    assert set(receiver.counts().values()) == {1}
