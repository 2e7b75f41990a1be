"""A transport that may go to loopback, what it is given to send, and the check that it leaves nothing open."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from relay.http.transport import Transport
from relay.model import Answer, Failure, Request, Response
from tests.support.waiting import eventually

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Loopback(AbstractResolver):
    """Knows every name to be 127.0.0.1."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0),
        ]

    async def close(self) -> None:
        pass


def plain_socket(addr_info: tuple[Any, ...]) -> socket.socket:
    """Return a socket that goes where it is told."""
    return socket.socket(*addr_info[:3])


def detour(port: int) -> Callable[[tuple[Any, ...]], socket.socket]:
    """Return a socket factory whose sockets go to this port of 127.0.0.1, whatever they are told."""

    class Detour(socket.socket):
        def connect(self, _address: object) -> None:
            host = "127.0.0.1" if self.family == socket.AF_INET else "::ffff:127.0.0.1"
            super().connect((host, port))

    return lambda addr_info: Detour(*addr_info[:3])


@asynccontextmanager
async def lane(
    *,
    socket_factory: Callable[[tuple[Any, ...]], socket.socket] = plain_socket,
    tls: ssl.SSLContext | None = None,
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[Transport]:
    """Open a transport; when it is closed as many descriptors must be open as before."""
    before = descriptors()
    transport = Transport(
        socket_factory=socket_factory,
        resolver=resolver or Loopback(),
        tls=tls or ssl.create_default_context(),
    )
    async with transport:
        yield transport

    async def is_as_before() -> bool:
        return descriptors() <= before

    await eventually(is_as_before, "all connections closed", limit=5)


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """Serve connections so, each to its end, which has come when this returns."""
    under_way: set[asyncio.Task[None] | None] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(asyncio.current_task())
        await serve(reader, writer)
        under_way.discard(asyncio.current_task())

    async def is_over() -> bool:
        return not under_way

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()
    await server.wait_closed()
    await eventually(is_over, "every connection served to its end", limit=5)


def post(
    url: str,
    *,
    body: bytes = b"{}",
    timeout: float = 10.0,
    connect_timeout: float = 5.0,
    max_response_bytes: int = 4096,
    headers: tuple[tuple[str, str], ...] = (("X-Webhook-Id", "1"), ("X-Webhook-Attempt", "1")),
) -> Request:
    """Return a request to `url`."""
    return Request(
        url=url,
        head="".join(f"{name}: {value}\r\n" for name, value in headers).encode(),
        body=body,
        timeout=timeout,
        connect_timeout=connect_timeout,
        max_response_bytes=max_response_bytes,
    )


def response(answer: Answer) -> Response:
    """Return the response that `answer` must be."""
    assert isinstance(answer, Response), answer
    return answer


def failure(answer: Answer) -> Failure:
    """Return the failure that `answer` must be."""
    assert isinstance(answer, Failure), answer
    return answer


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no paths are wanted
