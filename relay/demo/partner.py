"""A partner of the demo's company whose receiver has a bug when the day begins: what it refuses is given up.

Somebody has to look, and press Retry: by then the partner has mended it. It is apart from the proof, which is about
what needs nobody.
"""

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

import asyncpg
from aiohttp import web

from relay.demo.receiver import STOP_LIMIT
from relay.receiver import VerificationError, verify

TENANT = "demo-partner"
DESCRIPTION = "partner (refuses at first: look at it in the panel, and press Retry)"
EVENT_TYPES = ("shipment.sent", "shipment.sent", "shipment.returned")
_INSERT = """
insert into relay.outbox (event_type, payload, tenant)
select event_type, json_build_object('shipment', number, 'carrier', 'Schenker', 'vat_id', 'DE136695976'), $2
from unnest($1::text[]) with ordinality as e(event_type, number)
"""
_REFUSAL = '{"error": "unknown field: vat_id"}'


class Partner(AbstractAsyncContextManager["Partner"]):
    """An HTTP server on a free port of the loopback, as long as the block.

    Attributes:
        secret: The signing secret of its endpoint; set as that is added.
        refused: How many first attempts it refused for good.
        taken: How many later ones it took.
    """

    def __init__(self) -> None:
        self.secret = ""
        self.refused = 0
        self.taken = 0
        self._runner = web.ServerRunner(web.Server(self._take), shutdown_timeout=STOP_LIMIT)
        self.url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/partner"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        try:
            verify(body, list(request.headers.items()), self.secret)
        except VerificationError as error:
            return web.Response(status=401, text=str(error))
        if request.headers.get("X-Webhook-Attempt") == "1":
            self.refused += 1
            # It asks for no more attempts: the same bytes would not do better.
            headers = {"webhook-delivery": "abort"}
            return web.Response(status=422, text=_REFUSAL, content_type="application/json", headers=headers)
        self.taken += 1
        return web.Response(status=200)


async def insert_shipments(dsn: str) -> None:
    """Commit the events that the partner refuses at first."""
    connection = await asyncpg.connect(dsn, command_timeout=10)
    try:
        await connection.execute(_INSERT, list(EVENT_TYPES), TENANT)
    finally:
        await connection.close()
