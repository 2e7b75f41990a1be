"""A broken endpoint with a large backlog costs a probe now and then; back again, it drains within its cap."""

import asyncio
from collections.abc import Callable

import pytest

from tests.support.daemon import Sections
from tests.support.receiver import Receiver, Reply
from tests.support.world import World

pytestmark = pytest.mark.fault

CAP = 20
OPEN_FOR = 3.0
WATCHED = 10.0
SETTINGS: Sections = {
    "retry": {"base": "50ms", "factor": 1.0, "jitter": 0.0},
    "breaker": {"open_for": f"{OPEN_FOR:g}s", "max_open_for": f"{OPEN_FOR:g}s"},
    "delivery": {"max_in_flight_per_endpoint": CAP},
}
TOUCHED = "select count(*), sum(xmin::text::bigint), sum(claim), sum(attempt) from relay.delivery"


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(2_000, id="quick"),
        pytest.param(100_000, id="full", marks=[pytest.mark.full, pytest.mark.timeout(600)]),
    ],
)
async def test_a_backlog_of_a_broken_endpoint_is_not_touched_and_drains_within_its_cap(
    world: World, events: int, figures: Callable[[str], None]
) -> None:
    application = world.application
    async with Receiver() as failing:
        failing.respond = lambda _: Reply(status=500)
        endpoint_id = await application.add_endpoint(failing.url())
        daemon = await world.start(SETTINGS)
        await application.insert_all(['{"id": 0}'] * 30)
        await daemon.wait_for_log("endpoint.breaker_opened", endpoint_id=endpoint_id)
        for _ in range(0, events, 1000):
            await application.insert_all(['{"id": 1}'] * 1000)
        await application.wait_until("select not exists (select from relay.fresh)", limit=120)
        await failing.wait_for(lambda: failing.open_requests == 0)

        opened, before = len(daemon.logged("endpoint.breaker_opened")), len(failing.receipts)
        await asyncio.sleep(WATCHED)
        probes = len(failing.receipts) - before
        assert probes <= WATCHED / OPEN_FOR + 1, "one for each time that it was open"

        await daemon.wait_for_log("endpoint.breaker_opened", count=max(opened, 1) + probes + 1)
        untouched = tuple((await application.fetch(TOUCHED))[0])
        await asyncio.sleep(OPEN_FOR * 0.6)
        assert tuple((await application.fetch(TOUCHED))[0]) == untouched

        failing.most_open = 0
        failing.respond = lambda _: Reply(delay=0.005)
        await application.wait_until("select not exists (select from relay.delivery)", limit=400)

        ids = {request.event_id for request in failing.received}
        figures(
            f"{len(ids)} events, {probes} probes in {WATCHED:g} s, at most {failing.most_open} open while it drained"
        )
        assert len(ids) == events + 30
        assert 1 < failing.most_open <= CAP
        assert len(failing.receipts) <= events + 30 + 60, "no stampede: what failed came before"
