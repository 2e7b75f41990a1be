"""The listener of the panel and its API, apart from that of metrics and health."""

import asyncio
import errno
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from relay.admin import access, api, pages
from relay.admin.auth import FAILURES, authorise
from relay.admin.bodies import BODY_LIMIT, receive
from relay.admin.context import CONTEXT, Context
from relay.admin.failures import Failures
from relay.admin.problems import Problem, as_json, problem_of
from relay.admin.routes import add_routes, is_api, route_of
from relay.admin.tls import tls_of
from relay.config_places import Address, UnixSocket
from relay.observe.bad_requests import keep_out_of_the_log
from relay.observe.health import CannotListen
from relay.observe.logs import get_logger

log = get_logger()

HANDSHAKE_LIMIT = 5.0
"""Seconds of a TLS handshake. Less than HEAD_LIMIT: only after it there is a connection that can be closed."""
HEAD_LIMIT = 10.0
"""Seconds from the connection to the end of the first request's headers; aiohttp knows no such limit."""
REQUEST_LIMIT = 620.0
"""Seconds for one request, its body included: the longest is a selection among a hundred million rows."""
KEEP_ALIVE = 75.0
MOST_CONNECTIONS = 500
OUR_FAULT = Problem(
    status=500,
    code="internal",
    detail="this is a fault of Relay's; its log has an admin.failed line that says which",
)


class AdminServer:
    """Serves the panel and the API at one place.

    Args:
        context: What they work with.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.settings().admin
        self._waiting: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._stopping = asyncio.Event()

    @property
    def place(self) -> Address | UnixSocket | None:
        """Where it listens, with the port that it got."""
        listen = self._settings.listen
        if isinstance(listen, Address) and self._server is not None:
            return Address(host=listen.host, port=self._server.sockets[0].getsockname()[1])
        return listen

    async def start(self) -> None:
        """Listen.

        Raises:
            CannotListen: The place is taken or not this machine's, or the certificate cannot be read.
        """
        keep_out_of_the_log()
        tls = tls_of(self._settings)
        app = self._application()
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE,
            handle_signals=False,
            shutdown_timeout=1.0,
        )
        await self._runner.setup()
        try:
            self._server = await self._listen(tls)
        except OSError as error:
            reason = error.strerror or error
            raise CannotListen(
                f"cannot listen on {self._settings.listen} ({reason}); "
                'set admin.listen to a free place, or to "" for none'
            ) from error

    async def stop(self) -> None:
        """Stop listening, and end what streams."""
        self._stopping.set()
        if self._server is not None:
            self._server.close()
        for timer in self._waiting.values():
            timer.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guarded], client_max_size=BODY_LIMIT)
        app[CONTEXT] = self._context
        app[FAILURES] = Failures()
        app[pages.STOPPING] = self._stopping
        pages.prepare(app)
        add_routes(app, api.ROUTES)
        add_routes(app, pages.ROUTES)
        app.on_response_prepare.append(_protect)
        return app

    async def _listen(self, tls: ssl.SSLContext | None) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        place = self._settings.listen
        if isinstance(place, UnixSocket):
            await _refuse_if_answered(place.path)
            server = await loop.create_unix_server(self._connection, str(place.path))
            place.path.chmod(0o660)
            return server
        if place is None:
            raise ValueError("there is no place to listen at")
        limit = None if tls is None else HANDSHAKE_LIMIT
        return await loop.create_server(
            self._connection, place.host, place.port, ssl=tls, ssl_handshake_timeout=limit
        )

    def _connection(self) -> asyncio.Protocol:
        """Make what serves a new connection; one that sends no request in time is closed."""
        if self._runner is None or self._runner.server is None:
            raise RuntimeError("the server was not set up")
        if len(self._runner.server.connections) >= MOST_CONNECTIONS:
            return _Refusing()
        connection: RequestHandler = self._runner.server()
        loop = asyncio.get_running_loop()
        self._waiting[connection] = loop.call_later(HEAD_LIMIT, self._give_up, connection)
        return connection

    def _give_up(self, connection: RequestHandler) -> None:
        self._waiting.pop(connection, None)
        if connection.transport is not None:
            connection.transport.abort()

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let through what may pass, and turn what goes wrong into an answer that says what to do."""
        timer = self._waiting.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        try:
            return await self._answer(request, handler)
        except web.HTTPRedirection:
            raise
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.exception("admin.failed", method=request.method, path=request.path[:200])
                problem = OUR_FAULT
            return as_json(problem) if is_api(request) else await pages.problem_page(request, problem)

    async def _answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        access.check_host(request, {*access.LOOPBACK_NAMES, *self._settings.allowed_hosts})
        access.check_origin(request)
        route = route_of(request)
        if route is not None and route.is_stream:
            await authorise(request, route.scope or "read")
            return await handler(request)
        async with asyncio.timeout(REQUEST_LIMIT):
            if route is not None and route.scope is not None:
                await authorise(request, route.scope)
            elif route is not None:
                await receive(request)
            return await handler(request)


async def _refuse_if_answered(path: Path) -> None:
    """Leave a socket to whoever serves it; asyncio would put ours in its place, since one left behind looks the same.

    Raises:
        OSError: Somebody answers there.
    """
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return
    writer.close()
    raise OSError(errno.EADDRINUSE, "another process listens there")


class _Refusing(asyncio.Protocol):
    """Closes a connection that is one too many: the pipeline needs descriptors too."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    access.protect(request, response)
