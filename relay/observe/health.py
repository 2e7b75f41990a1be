"""`/healthz`, `/readyz` and `/metrics`, on a listener of their own."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from relay.config_places import Address


class CannotListen(Exception):  # noqa: N818 - it says what the matter is
    """The address of the health endpoints cannot be used; the message says what to do."""


class HealthServer:
    """Answers probes and scrapes: alive while the loop turns, ready while `readiness` finds nothing against it.

    Args:
        address: Where to listen.
        readiness: Returns what stands against being ready, empty when nothing does.
        metrics: Returns them in Prometheus' text format.
    """

    def __init__(
        self,
        *,
        address: Address,
        readiness: Callable[[], list[str]],
        metrics: Callable[[], Awaitable[bytes]],
    ) -> None:
        self._address = address
        self._readiness = readiness
        self._metrics = metrics
        self._runner: web.AppRunner | None = None
        self.port = address.port

    async def start(self) -> None:
        """Listen.

        Raises:
            CannotListen: The address is taken, or not this machine's.
        """
        app = web.Application(client_max_size=1024)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._scraped)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address.host, self._address.port)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or error
            raise CannotListen(
                f"cannot listen on {self._address.host}:{self._address.port} ({reason}); "
                'set metrics.listen to a free address, or to "" for none'
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        against = self._readiness()
        if against:
            return web.json_response({"status": "not ready", "reasons": against}, status=503)
        return web.json_response({"status": "ready"})

    async def _scraped(self, _request: web.Request) -> web.Response:
        text = await self._metrics()
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
