"""The network between relay and database fails: what is known is kept, and written when it is back."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fault.load import steady_load
from tests.fault.proxy import Link, Proxy, Way, proxy_to
from tests.support.checker import check_everything
from tests.support.receiver import Reply
from tests.support.world import PROOF, World

pytestmark = pytest.mark.fault

NOTICED_WITHIN = 10.0
RESUMED_WITHIN = 5.0
FULL = (pytest.mark.full, pytest.mark.timeout(300))
ALL_ENDED = "select not exists (select from relay.fresh) and not exists (select from relay.delivery)"


@pytest.fixture
async def proxy(world: World) -> AsyncIterator[Proxy]:
    place = parse_qs(urlsplit(world.dsn).query)
    async with proxy_to(Path(place["host"][0]) / f".s.PGSQL.{place['port'][0]}") as running:
        yield running


def through(proxy: Proxy, world: World) -> str:
    """Return the way to the test's database through the proxy."""
    return proxy.dsn.replace("/relay?", f"/{urlsplit(world.dsn).path[1:]}?")


def is_listening(link: Link) -> bool:
    return link.name == "relay listener"


async def test_a_listening_connection_gone_silent_is_noticed_and_replaced(
    world: World, proxy: Proxy, figures: Callable[[str], None]
) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    daemon = await world.start(dsn=through(proxy, world))
    await receiver.wait_for_event(await application.insert())

    silent_since = time.monotonic()
    proxy.hold(Way.BOTH, only=is_listening)
    await daemon.wait_for_log("database.lost", limit=NOTICED_WITHIN)
    noticed = time.monotonic() - silent_since
    await receiver.wait_for_event(await application.insert(), limit=NOTICED_WITHIN)

    figures(f"noticed after {noticed:.1f} s, the next request after {time.monotonic() - silent_since:.1f} s")
    assert await daemon.terminate() == 0
    (await check_everything(application, receiver)).assert_right()


@pytest.mark.parametrize(
    ("ways", "seconds"),
    [
        pytest.param(Way.BOTH, 2.0, id="both ways"),
        pytest.param(Way.TO_CLIENT, 2.0, id="replies only"),
        pytest.param(Way.BOTH, 30.0, id="both ways, long", marks=FULL),
        pytest.param(Way.TO_CLIENT, 30.0, id="replies only, long", marks=FULL),
        pytest.param(Way.TO_SERVER, 30.0, id="statements only, long", marks=FULL),
    ],
)
async def test_outcomes_that_cannot_be_written_are_kept_and_written_after(
    world: World, proxy: Proxy, ways: Way, seconds: float
) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    daemon = await world.start(dsn=through(proxy, world))
    await world.prove(daemon)
    receiver.hold()
    await application.insert_all(['{"id": 1}'] * 50)
    await receiver.wait_for_open(50)

    proxy.hold(ways)
    receiver.release()
    await application.insert_all(['{"id": 2}'] * 50)
    await daemon.wait_for_log("database.lost", limit=NOTICED_WITHIN)
    await asyncio.sleep(seconds)
    proxy.pass_on()

    await receiver.wait_for_requests(PROOF + 100, limit=RESUMED_WITHIN + 5)
    await application.wait_until(ALL_ENDED, limit=90)
    assert daemon.exit_code is None
    (await check_everything(application, receiver)).assert_right()
    assert await application.fetchval("select max(attempt) from relay.attempt") == 1
    assert await daemon.terminate() == 0


@pytest.mark.parametrize("seconds", [3.0, pytest.param(30.0, marks=FULL)], ids=["quick", "full"])
async def test_connections_reset_again_and_again_lose_nothing(
    world: World, proxy: Proxy, seconds: float
) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda _: Reply(delay=0.02)
    await application.add_endpoint(receiver.url())
    daemon = await world.start(dsn=through(proxy, world))
    async with steady_load(application, rate=200, batch=2):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            proxy.reset()
            await asyncio.sleep(random.uniform(0.02, 0.3))  # noqa: S311 - no secret
    await application.wait_until(ALL_ENDED, limit=90)
    assert daemon.exit_code is None
    (await check_everything(application, receiver)).assert_right()
    assert await daemon.terminate() == 0
