"""How soon the relay's event loop gets round to something new, seen from outside.

A GET of /healthz has to wait until the loop has done what it is at, and is then answered at once. The time of its round
trip is therefore an upper bound of the loop's lag: it has the request's own cost in it, and the wait for a core on both
sides.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable
from typing import TypeVar

import aiohttp

from relay.bench.latency import Latencies

EVERY = 0.05
LIMIT = aiohttp.ClientTimeout(total=30)

T = TypeVar("T")


async def probed(port: int, work: Awaitable[T]) -> tuple[T, Latencies]:
    """Ask twenty times a second until the work is done; return what comes of it, and the round trips.

    A request that waits does not keep the next one from being sent, so that a long lag weighs as much as it lasts.

    Raises:
        ExceptionGroup: Of what `work` raises, or an `aiohttp.ClientError` of a request that was not answered.
    """
    taken: list[float] = []
    async with aiohttp.ClientSession(timeout=LIMIT) as client, asyncio.TaskGroup() as probing:
        asking = probing.create_task(_keep_asking(client, f"http://127.0.0.1:{port}/healthz", taken, probing))
        result = await work
        asking.cancel()
    return result, Latencies(sorted_ms=tuple(sorted(taken)))


async def _keep_asking(
    client: aiohttp.ClientSession, url: str, taken: list[float], probing: asyncio.TaskGroup
) -> None:
    start = time.monotonic()
    for number in itertools.count():
        await asyncio.sleep(max(start + number * EVERY - time.monotonic(), 0))
        probing.create_task(_ask(client, url, taken))


async def _ask(client: aiohttp.ClientSession, url: str, taken: list[float]) -> None:
    began = time.monotonic()
    async with client.get(url) as response:
        await response.read()
    taken.append((time.monotonic() - began) * 1000)
