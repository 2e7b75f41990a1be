"""An endpoint with a rate limit never gets more than that and a small burst; what is over it waits, uncharged."""

import asyncio
import itertools
import time
from bisect import bisect_left
from collections.abc import Callable

import pytest

from relay.endpoints.rates import BURST
from tests.support.world import World

pytestmark = pytest.mark.fault

RATE = 50
LATENESS = 3
"""Requests that may arrive in the next window, since the machine was late to send or to read them."""


def most_in_a_second(moments: list[float]) -> int:
    moments = sorted(moments)
    return max(bisect_left(moments, moment + 1.0) - place for place, moment in enumerate(moments))


async def commit_steadily(world: World, *, rate: int, seconds: float) -> int:
    """Commit events for both endpoints at even gaps, and return how many."""
    began, count = time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        due = int(now * rate) - count
        if due:
            await world.application.insert_all(['{"id": 1}'] * due)
            count += due
        await asyncio.sleep(0)
    return count


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [
        pytest.param(200, 3.0, id="quick"),
        pytest.param(1000, 60.0, id="full", marks=[pytest.mark.full, pytest.mark.timeout(300)]),
    ],
)
async def test_no_second_has_more_than_limit_and_burst_and_others_are_unaffected(
    world: World, rate: int, seconds: float, figures: Callable[[str], None]
) -> None:
    receiver, application = world.receiver, world.application
    limited = await application.add_endpoint(receiver.url("/limited"), rate_limit=float(RATE))
    await application.add_endpoint(receiver.url("/free"))
    daemon = await world.start()

    count = await commit_steadily(world, rate=rate, seconds=seconds)
    await receiver.wait_for(
        lambda: sum(each.path == "/free" for each in receiver.received) == count, "all at the free endpoint"
    )
    await daemon.terminate()

    moments = [each.at for each in receiver.received if each.path == "/limited"]
    figures(
        f"{count} events, {len(moments)} to the limited endpoint, at most {most_in_a_second(moments)} in a second"
    )
    assert most_in_a_second(moments) <= RATE * (1 + BURST) + LATENESS
    lasted = moments[-1] - moments[0]
    assert len(moments) >= 0.9 * RATE * lasted, "the rate is used up while there is work"
    (row,) = await application.fetch(
        "select count(*) as waiting, max(attempt) as charged from relay.delivery where endpoint_id = $1",
        limited,
    )
    assert (row["waiting"], row["charged"]) == (count - len(moments), 0)


async def test_what_waits_goes_out_in_the_order_in_which_it_came(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url(), rate_limit=40.0)
    await world.start()

    ids = []
    for _ in range(4):
        ids.append(await application.insert_all(['{"id": 1}'] * 10))
        await receiver.wait_for_requests(len(receiver.receipts) + 1)
    await receiver.wait_for_requests(40)

    arrived = [each.event_id for each in receiver.received]
    for batch, later in itertools.pairwise(ids):
        assert max(arrived.index(str(each)) for each in batch) < min(
            arrived.index(str(each)) for each in later
        )


async def test_a_slow_limit_sends_one_at_a_time(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url(), rate_limit=2.0)
    await world.start()

    await application.insert_all(['{"id": 1}'] * 4)
    await receiver.wait_for_requests(4)

    moments = sorted(each.at for each in receiver.received)
    assert all(after - before >= 0.4 for before, after in itertools.pairwise(moments))
