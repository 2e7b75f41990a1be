"""A proxy between a sender and a receiver that reorders requests and sends some of them twice."""

import asyncio
import contextlib
import random
from typing import Self

import aiohttp
from aiohttp import web

from tests.support.waiting import LIMIT, Changes

HOP_BY_HOP = {"host", "connection", "content-length", "accept-encoding"}
TRY_AGAIN = 0.1
LONGEST_DELAY = 0.2
HELD = 0.05
"""The share of requests that are held until so many later ones were passed on, or none come any more."""
OVERTAKEN_BY = 150
LONGEST_HOLD = 2.0
LATEST_COPY = 1.0
CONNECTIONS = 40
"""Fewer than waitress takes (`connection_limit`, 100): those beyond would wait until idle ones are closed."""


class Meddler:
    """Listens on a free port from entering to leaving the context.

    Args:
        target: Where requests go.
        copied: The share of requests that are sent twice.

    Attributes:
        taken: How many requests of the sender were answered 2xx.
        copies: How many copies were answered 2xx.
    """

    def __init__(self, target: str, *, copied: float) -> None:
        self.taken = 0
        self.copies = 0
        self.changes = Changes()
        self._target = target
        self._copied = copied
        self._passed = 0
        self._copying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/hook", self._pass_on)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS))
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._copying:
            task.cancel()
        await asyncio.gather(*self._copying, return_exceptions=True)
        await self._runner.cleanup()
        await self._session.close()

    @property
    def url(self) -> str:
        return "http://{}:{}/hook".format(*self._runner.addresses[0])

    async def wait_for_taken(self, count: int, limit: float = LIMIT) -> None:
        """Wait until so many requests of the sender were answered 2xx."""
        await self.changes.wait_for(
            lambda: self.taken >= count, lambda: f"{self.taken} of {count}", limit=limit
        )

    async def wait_for_copies(self, limit: float = LIMIT) -> None:
        """Wait until every copy has come through."""
        await self.changes.wait_for(lambda: not self._copying, "the copies", limit=limit)

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
        if random.random() < self._copied:  # noqa: S311 - no secret
            self._copy(body, headers)
        if random.random() < HELD:  # noqa: S311 - no secret
            await self._be_overtaken()
        await asyncio.sleep(random.choice((0.0, 0.0, random.uniform(0, LONGEST_DELAY))))  # noqa: S311 - no secret
        self._passed += 1
        status = await self._send(body, headers)
        self.taken += status < 300
        self.changes.tell()
        return web.Response(status=status)

    async def _be_overtaken(self) -> None:
        until = self._passed + OVERTAKEN_BY
        with contextlib.suppress(AssertionError):
            await self.changes.wait_for(lambda: self._passed >= until, "later requests", limit=LONGEST_HOLD)

    def _copy(self, body: bytes, headers: list[tuple[str, str]]) -> None:
        task = asyncio.get_running_loop().create_task(self._send_copy(body, headers))
        self._copying.add(task)
        task.add_done_callback(self._copied_one)

    def _copied_one(self, task: "asyncio.Task[None]") -> None:
        self._copying.discard(task)
        self.changes.tell()

    async def _send_copy(self, body: bytes, headers: list[tuple[str, str]]) -> None:
        """Send it once more, together with the first or later, until it is taken."""
        await asyncio.sleep(random.choice((0.0, random.uniform(0, LATEST_COPY))))  # noqa: S311 - no secret
        while await self._send(body, headers) >= 300:  # noqa: ASYNC110 - the receiver cannot tell when it is back
            await asyncio.sleep(TRY_AGAIN)
        self.copies += 1

    async def _send(self, body: bytes, headers: list[tuple[str, str]]) -> int:
        try:
            async with self._session.post(self._target, data=body, headers=headers) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 502
