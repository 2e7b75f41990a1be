"""The request lane: one request, written as bytes over a connection of aiohttp's pool, and what came back.

Pooling, TLS, happy eyeballs, the resolver and the socket factory are aiohttp's `TCPConnector`; responses are read with
its parser. The session layer above them is left out: it costs more than all the rest together. What this leans on is
held by contract tests, and aiohttp is pinned to a minor version.
"""

import asyncio
import functools
import select
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, cast

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from yarl import URL

from relay.http.deadlines import Deadlines
from relay.http.failures import failure_of
from relay.http.head_first import FINAL, HeadFirst, ProtocolTrouble
from relay.model import Answer, Failure, Request, Response

IDLE_SECONDS = 4.0
"""How long an idle connection is kept; shorter than what common servers keep theirs."""
BODY_SECONDS = 2.0
"""Once the status has come it decides; the body may take this long and no longer."""
SWITCHING = 101
MOST_HEADERS = 100
MOST_ROUTES = 100_000
"""Kept at once; what is made anew costs a few microseconds."""


@dataclass(frozen=True, slots=True)
class Route:
    """What all requests to one URL share.

    Attributes:
        connect: Tells the connector where to.
        head: Request line and Host, as bytes.
    """

    connect: ClientRequest
    head: bytes


class Transport:
    """HTTP/1.1 over pooled connections: no redirects, no cookies, no proxies of the environment, no decompression.

    Args:
        socket_factory: Guards every connection attempt.
        resolver: Names to addresses.
        tls: How servers are verified.
    """

    def __init__(
        self, *, socket_factory: Callable[[Any], Any], resolver: AbstractResolver, tls: ssl.SSLContext
    ) -> None:
        self._socket_factory = socket_factory
        self._resolver = resolver
        self._tls = tls
        self._routes: dict[str, Route] = {}
        self._deadlines = Deadlines()
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}
        self._connector: aiohttp.TCPConnector

    async def __aenter__(self) -> Self:
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
        return self

    async def __aexit__(self, *_: object) -> None:
        self._deadlines.stop()
        await self._connector.close()
        await self._resolver.close()

    async def send(self, request: Request) -> Answer:
        """Make the request; every expected trouble comes back as a `Failure`."""
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._deadlines.begin(task, request.timeout)
        try:
            return await self._send(request)
        except asyncio.CancelledError:
            if self._deadlines.end(task, request.timeout) and task.uncancel() == 0:
                return Failure(code="timeout", message=f"no answer within {request.timeout:g} s")
            raise
        except TimeoutError:
            return Failure(code="timeout", message=f"no connection within {request.connect_timeout:g} s")
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            return failure_of(error)
        finally:
            if self._deadlines.end(task, request.timeout):
                task.uncancel()  # other trouble came out than the cancellation

    async def _send(self, request: Request) -> Response:
        route = self._route(request.url)
        data = _written(route, request)
        connection, is_reused = await self._connect(route, request, fresh=False)
        protocol = cast("HeadFirst", connection.protocol)
        try:
            return await self._exchange(connection, data, request)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not is_reused or protocol.has_received:
                raise
        # The server closed an idle connection just as it was used: nobody has seen the request.
        connection, _ = await self._connect(route, request, fresh=True)
        return await self._exchange(connection, data, request)

    async def _connect(self, route: Route, request: Request, *, fresh: bool) -> tuple[Connection, bool]:
        """Return a connection and whether it was used before; one that received anything while idle is not taken."""
        timeout = self._timeouts.get(request.connect_timeout)
        if timeout is None:
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=request.connect_timeout, ceil_threshold=float("inf")
            )
            self._timeouts[request.connect_timeout] = timeout
        while True:
            connection = await self._connector.connect(route.connect, [], timeout)
            protocol = cast("HeadFirst", connection.protocol)
            if not protocol.was_used:
                return connection, False
            if not fresh and not protocol.should_close and not _has_unread(connection):
                return connection, True
            connection.close()

    async def _exchange(self, connection: Connection, data: bytes, request: Request) -> Response:
        """Write the request and read the response; the connection is released or closed, whatever happens."""
        protocol = cast("HeadFirst", connection.protocol)
        is_reusable = False
        try:
            _begin(protocol, data)
            message, payload = await _final(protocol)
            # The status decides: the time-out has nothing to say any more, the body has limits of its own.
            self._deadlines.end(cast("asyncio.Task[object]", asyncio.current_task()), request.timeout)
            body = await _body(payload, request.max_response_bytes)
            is_reusable = payload.at_eof() and _is_all_written(protocol)
        finally:
            if is_reusable:
                connection.release()
            else:
                _abort(connection)
        headers = {name.lower(): value for name, value in message.headers.items()}
        return Response(status=message.code, headers=headers, body=body)

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
    return Route(connect, f"POST {parsed.raw_path_qs} HTTP/1.1\r\nHost: {host}\r\n".encode("ascii"))


def _written(route: Route, request: Request) -> bytes:
    headers = "".join([f"{name}: {value}\r\n" for name, value in request.headers])
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (
        route.head,
        headers.encode(),
        len(request.body),
        request.body,
    )


def _begin(protocol: HeadFirst, data: bytes) -> None:
    protocol.begin()
    if protocol.transport is None:
        raise aiohttp.ServerDisconnectedError  # between the handshake and now
    protocol.set_response_params(
        read_until_eof=True, auto_decompress=False, read_bufsize=16384, max_headers=MOST_HEADERS
    )
    protocol.transport.write(data)


async def _final(protocol: HeadFirst) -> tuple[RawResponseMessage, StreamReader]:
    """Return the final response's head, past the few interim ones that `HeadFirst` lets through."""
    while True:
        message, payload = await protocol.read()
        if message.code >= FINAL:
            return message, payload
        if message.code == SWITCHING:
            raise ProtocolTrouble("the server switched protocols, which nobody asked for")


async def _body(payload: StreamReader, limit: int) -> bytes:
    """Return at most `limit` bytes of the body; no trouble with it counts."""
    if payload.is_eof():
        return payload.read_nowait(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while len(body) < limit:
                chunk = await payload.read(limit - len(body))
                if not chunk:
                    break
                body += chunk
    except (TimeoutError, aiohttp.ClientError, HttpProcessingError, OSError):
        pass
    return bytes(body)


def _abort(connection: Connection) -> None:
    transport = connection.transport
    if transport is not None:
        transport.abort()
    connection.close()


def _is_all_written(protocol: HeadFirst) -> bool:
    """Say whether the next request need not wait for the rest of one that was answered early."""
    return protocol.transport is None or protocol.transport.get_write_buffer_size() == 0


def _has_unread(connection: Connection) -> bool:
    """Say whether the kernel has something of an idle connection: its end, or an answer to nothing asked."""
    socket = cast("asyncio.Transport", connection.transport).get_extra_info("socket")
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return bool(poll.poll(0))
