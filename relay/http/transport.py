"""The request lane: one request, written as bytes over a connection of aiohttp's pool, and what came back.

Pooling, TLS, happy eyeballs, the resolver and the socket factory are aiohttp's `TCPConnector`; responses are read with
its parser. The session layer above them is left out: it costs more than all the rest together. What this leans on is
held by contract tests, and aiohttp is pinned to a minor version.
"""

import asyncio
import functools
import select
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, cast

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from yarl import URL

from relay.http.deadlines import Deadlines
from relay.http.exchange import Done, Exchange, rest_of
from relay.http.failures import failure_of
from relay.http.head_first import HeadFirst
from relay.model import Answer, Failure, Request

IDLE_SECONDS = 4.0
"""How long an idle connection is kept; shorter than what common servers keep theirs."""
CONNECTS_AT_ONCE = 10
"""Connections that are begun in one turn of the loop."""
MOST_ROUTES = 100_000
"""Kept at once; what is made anew costs a few microseconds."""


@dataclass(frozen=True, slots=True)
class Route:
    """What all requests to one URL share.

    Attributes:
        connect: Tells the connector where to.
        key: Names its connections in the pool.
        head: Request line and Host, as bytes.
    """

    connect: ClientRequest
    key: ConnectionKey
    head: bytes


class Transport:
    """HTTP/1.1 over pooled connections: no redirects, no cookies, no proxies of the environment, no decompression.

    Args:
        socket_factory: Guards every connection attempt.
        resolver: Names to addresses.
        tls: How servers are verified.

    It is the context in which requests live: leave it when none is under way.
    """

    def __init__(
        self, *, socket_factory: Callable[[Any], Any], resolver: AbstractResolver, tls: ssl.SSLContext
    ) -> None:
        self._socket_factory = socket_factory
        self._resolver = resolver
        self._tls = tls
        self._routes: dict[str, Route] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}
        self._open: set[Exchange] = set()
        self._unwritten: list[Exchange] = []
        self._unconnected: deque[tuple[Exchange, bool]] = deque()
        self._tasks = asyncio.TaskGroup()
        self._deadlines: Deadlines
        self._connector: aiohttp.TCPConnector

    async def __aenter__(self) -> Self:
        self._deadlines = Deadlines()
        self._connector = aiohttp.TCPConnector(
            limit=0,
            resolver=self._resolver,
            socket_factory=self._socket_factory,
            ssl=self._tls,
            ttl_dns_cache=30,
            keepalive_timeout=IDLE_SECONDS,
        )
        factory: functools.partial[Any] = functools.partial(HeadFirst, loop=asyncio.get_running_loop())
        self._connector._factory = factory  # noqa: SLF001 - there is no option for it
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._deadlines.stop()
        self.cut_off()
        await self._tasks.__aexit__(None, None, None)
        await self._connector.close()
        await self._resolver.close()

    def start(self, request: Request, done: Done) -> Exchange | None:
        """Begin a request; `done` gets what comes back, every expected trouble as a `Failure`.

        It may be called before this returns.
        """
        try:
            route = self._route(request.url)
        except ValueError as error:
            done(failure_of(error))
            return None
        head = b"%b%bContent-Length: %d\r\n\r\n" % (route.head, request.head, len(request.body))
        exchange = Exchange(self, request, head, done)
        self._open.add(exchange)
        self._deadlines.begin(exchange, request.timeout)
        connection = self._idle(route)
        if connection is not None:
            exchange.take(connection, is_reused=True)
        else:
            self.connect(exchange, fresh=False)
        return exchange

    async def send(self, request: Request) -> Answer:
        """Make a request and wait for what comes back; cancelled, it is cut off."""
        answer: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        exchange = self.start(request, lambda came: None if answer.done() else answer.set_result(came))
        try:
            return cast("Answer", await answer)
        finally:
            if exchange is not None:
                exchange.cut_off()

    def cut_off(self) -> None:
        """End all that is under way, now."""
        for exchange in tuple(self._open):
            exchange.cut_off()

    # What exchanges ask for.

    def connect(self, exchange: Exchange, *, fresh: bool) -> None:
        """Get a connection, if need be one that nobody has used, and send the request over it.

        Not all at once: making a connection takes the loop as long as ten deliveries, and a thousand would stall it.
        """
        if not self._unconnected:
            asyncio.get_running_loop().call_soon(self._connect_some)
        self._unconnected.append((exchange, fresh))

    def write_soon(self, exchange: Exchange) -> None:
        """Write its request with the loop's next turn, together with those that come until then.

        Written one after the other they find the receiver awake; with the making of the next in between, each would
        wake it anew, which costs more than the writing.
        """
        if not self._unwritten:
            asyncio.get_running_loop().call_soon(self._write)
        self._unwritten.append(exchange)

    def read_body(self, exchange: Exchange, message: RawResponseMessage, body: StreamReader) -> None:
        """Wait for the rest of a body; the time-out has nothing to say any more, the body has limits of its own."""
        self._deadlines.end(exchange, exchange.request.timeout)
        exchange.task = self._tasks.create_task(_read_body(exchange, message, body), name="body")

    @property
    def resolves(self) -> bool:
        """Whether names can be resolved, as far as is known."""
        return not getattr(self._resolver, "is_down", False)

    def left(self, exchange: Exchange) -> None:
        """Forget an exchange that is over."""
        self._deadlines.end(exchange, exchange.request.timeout)
        self._open.discard(exchange)

    def _connect_some(self) -> None:
        waiting = self._unconnected
        for _ in range(min(len(waiting), CONNECTS_AT_ONCE)):
            exchange, fresh = waiting.popleft()
            if not exchange.is_over:
                exchange.task = self._tasks.create_task(self._connect(exchange, fresh=fresh), name="connect")
        if waiting:
            asyncio.get_running_loop().call_soon(self._connect_some)

    def _write(self) -> None:
        """Write what waits. What the kernel holds of an idle connection is its end, or an answer to nothing asked."""
        unwritten, self._unwritten = self._unwritten, []
        unread = select.poll()
        for exchange in unwritten:
            if exchange.is_reused and (descriptor := exchange.descriptor) >= 0:
                unread.register(descriptor, select.POLLIN)
        has_unread = {descriptor for descriptor, _ in unread.poll(0)}
        for exchange in unwritten:
            try:
                exchange.write(has_unread=exchange.is_reused and exchange.descriptor in has_unread)
            except Exception as error:  # noqa: BLE001 - the border of one delivery; the others are to be written
                exchange.fail(error)

    async def _connect(self, exchange: Exchange, *, fresh: bool) -> None:
        request = exchange.request
        route, timeout = self._route(request.url), self._timeout(request.connect_timeout)
        passed_over: list[Connection] = []
        began = time.monotonic()
        try:
            while True:
                connection = await self._connector.connect(route.connect, [], timeout)
                protocol = cast("HeadFirst", connection.protocol)
                is_reused = protocol.was_used
                if not is_reused or not (fresh or protocol.should_close):
                    break
                if protocol.should_close:
                    connection.close()
                else:
                    passed_over.append(connection)
        except TimeoutError:
            exchange.finish(
                Failure(
                    code="timeout",
                    message=f"no connection within {request.connect_timeout:g} s",
                    is_own_fault=self._deadlines.stalled_since(began),
                )
            )
        except Exception as error:  # noqa: BLE001 - the border of one delivery
            exchange.fail(error)
        else:
            exchange.task = None
            exchange.take(connection, is_reused=is_reused)
        finally:
            for each in passed_over:
                each.release()

    def _idle(self, route: Route) -> Connection | None:
        """Take a connection from the pool, without a task: only whoever traces makes it wait."""
        while True:
            taking = self._connector._get(route.key, [])  # noqa: SLF001 - what `connect` asks first
            try:
                taking.send(None)
            except StopIteration as taken:
                connection: Connection | None = taken.value
            else:
                taking.close()
                return None
            if connection is None or not connection.protocol.should_close:  # type: ignore[union-attr]
                return connection
            connection.close()

    def _timeout(self, seconds: float) -> aiohttp.ClientTimeout:
        timeout = self._timeouts.get(seconds)
        if timeout is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=seconds, ceil_threshold=float("inf"))
            self._timeouts[seconds] = timeout
        return timeout

    def _route(self, url: str) -> Route:
        route = self._routes.get(url)
        if route is None:
            if len(self._routes) >= MOST_ROUTES:
                self._routes.clear()
            route = self._routes[url] = _new_route(url, self._tls)
        return route


def _new_route(url: str, tls: ssl.SSLContext) -> Route:
    parsed = URL(url, encoded=True)
    connect = ClientRequest("POST", parsed, ssl=tls, loop=asyncio.get_running_loop())
    host = connect.headers["Host"]
    head = f"POST {parsed.raw_path_qs} HTTP/1.1\r\nHost: {host}\r\n".encode("ascii")
    return Route(connect, connect.connection_key, head)


async def _read_body(exchange: Exchange, message: RawResponseMessage, body: StreamReader) -> None:
    content = await rest_of(body, exchange.request.max_response_bytes)
    exchange.task = None
    exchange.finish_with(message, body, content)
