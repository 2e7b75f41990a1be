"""The first page: how it goes, as of now and live."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from relay.admin import live
from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.live import LIVE, SAMPLES, STOPPING
from relay.admin.operations.overview import WAITING_STATES
from relay.admin.pages.rendering import fragment, render
from relay.admin.samples import KEPT
from relay.store.session import DatabaseAway
from relay.store.session_pool import AllBusy

_LEAST_RATE = 0.95
"""The share of deliveries that should succeed: below it the number is shown as bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What this process knows of itself.

    Attributes:
        success_ratio: Of the deliveries of five minutes; not a number if there were none.
    """

    is_active: bool
    delivered_per_second: float
    delivered: list[float]
    attempts_per_second: float
    failed_per_second: float
    failed: list[float]
    in_flight: int
    in_flight_before: list[float]
    success_ratio: float

    @property
    def is_good(self) -> bool:
        """Whether enough succeeds."""
        return not self.success_ratio < _LEAST_RATE


async def overview(request: web.Request) -> web.StreamResponse:
    """Show how it goes."""
    return render(request, "overview.html", **await _seen(request, at_most=0.0))


async def stream(request: web.Request) -> web.StreamResponse:
    """Send the changing parts of the page again and again, as server-sent events, for a minute."""
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
    if request.method == "HEAD":
        return web.Response(headers=headers)
    async with request.app[LIVE].viewing():
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(b"retry: 2000\n\n")
        with suppress(ConnectionError):
            async for kind, text in _pictures(request):
                lines = "\n".join(f"data: {line}" for line in text.splitlines())
                await response.write(f"event: {kind}\n{lines}\n\n".encode())
    return response


async def _pictures(request: web.Request) -> AsyncIterator[tuple[str, str]]:
    """Yield what the page shows, every few seconds until the stream's time is over or the server stops."""
    stopping = request.app[STOPPING]
    deadline = asyncio.get_running_loop().time() + live.LASTS
    while not stopping.is_set() and asyncio.get_running_loop().time() < deadline:
        try:
            seen = await _seen(request)
            yield "parts", fragment("overview_parts.html", request[PRINCIPAL], **seen)
        except (DatabaseAway, AllBusy):
            yield "away", "-"
        with suppress(TimeoutError):
            async with asyncio.timeout(live.EVERY):
                await stopping.wait()


async def _seen(request: web.Request, *, at_most: float = live.EVERY) -> dict[str, Any]:
    principal = request[PRINCIPAL]
    picture = await request.app[LIVE].picture(principal.tenant, at_most=at_most)
    # What the process counts is of all tenants together.
    numbers = _numbers(request) if principal.tenant is None else None
    states = [(each, picture.backlog.get(each)) for each in WAITING_STATES]
    return {
        "picture": picture,
        "numbers": numbers,
        "states": states,
        "room": KEPT - 1,
        "now": datetime.now(UTC),
    }


def _numbers(request: web.Request) -> Numbers:
    samples, readings = request.app[SAMPLES], request.app[CONTEXT].readings
    return Numbers(
        is_active=readings.is_active(),
        delivered_per_second=samples.lately("delivered"),
        delivered=samples.rates("delivered"),
        attempts_per_second=samples.lately("attempts"),
        failed_per_second=samples.lately("failed"),
        failed=samples.rates("failed"),
        in_flight=readings.in_flight(),
        in_flight_before=[float(each) for each in samples.in_flight()],
        success_ratio=readings.tally.success_ratios()["5m"],
    )
