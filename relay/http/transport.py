"""Sends one request and returns what came back, whatever that is."""

import asyncio
import functools
import ssl
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from relay.http.failures import failure_of
from relay.http.head_first import HeadFirst
from relay.model import Answer, Failure, Request, Response

IDLE_SECONDS = 4.0
"""How long an idle connection is kept; shorter than what common servers keep theirs."""
BODY_SECONDS = 2.0
"""After a 2xx the event has arrived; its body may take this long and no longer."""
_AUTOMATIC = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


class Transport:
    """HTTP/1.1 over pooled connections: no redirects, no cookies, no proxies of the environment, no decompression.

    Args:
        socket_factory: Guards every connection attempt.
        resolver: Names to addresses.
        tls: How servers are verified.
    """

    def __init__(
        self,
        *,
        socket_factory: Callable[[Any], Any],
        resolver: AbstractResolver,
        tls: ssl.SSLContext,
    ) -> None:
        self._socket_factory = socket_factory
        self._resolver = resolver
        self._tls = tls
        self._pooled: aiohttp.ClientSession
        self._fresh: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._pooled = self._session(force_close=False)
        self._fresh = self._session(force_close=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pooled.close()
        await self._fresh.close()
        await self._resolver.close()

    async def send(self, request: Request) -> Answer:
        """Make the request; every expected trouble comes back as a `Failure`."""
        reuse = SimpleNamespace(reused=False)
        try:
            async with asyncio.timeout(request.timeout):
                try:
                    return await self._attempt(self._pooled, request, reuse)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                    if not _is_stale_connection(error, reuse):
                        raise
                    # The server closed an idle connection just as we used it: nobody has seen the request.
                    return await self._attempt(self._fresh, request, reuse)
        except TimeoutError as error:
            return _timed_out(error, request)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return failure_of(error)

    def _session(self, *, force_close: bool) -> aiohttp.ClientSession:
        reused = aiohttp.TraceConfig()
        reused.on_connection_reuseconn.append(_note_reuse)
        keep = {} if force_close else {"keepalive_timeout": IDLE_SECONDS}
        connector = aiohttp.TCPConnector(
            limit=0,
            force_close=force_close,
            resolver=self._resolver,
            socket_factory=self._socket_factory,
            ssl=self._tls,
            ttl_dns_cache=30,
            **keep,  # type: ignore[arg-type] # aiohttp refuses the option together with force_close
        )
        factory: functools.partial[Any] = functools.partial(HeadFirst, loop=asyncio.get_running_loop())
        connector._factory = factory  # noqa: SLF001 - there is no option for it
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_AUTOMATIC,
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=16 * 1024,
            trace_configs=[reused],
        )

    async def _attempt(
        self, session: aiohttp.ClientSession, request: Request, reuse: SimpleNamespace
    ) -> Response:
        response = await session.post(
            URL(request.url, encoded=True),
            data=request.body,
            headers=request.headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=request.connect_timeout),
            trace_request_ctx=reuse,
        )
        try:
            body = await _read(response, request.max_response_bytes)
        finally:
            # An unread rest would be the next request's answer; a whole body has released the connection already.
            response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(status=response.status, headers=headers, body=body)


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return at most `limit` bytes of the body; after a 2xx no trouble with it counts."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while len(body) < limit:
                chunk = await response.content.read(limit - len(body))
                if not chunk:
                    break
                body += chunk
    except (TimeoutError, aiohttp.ClientError, OSError):
        # The status line has come: it decides, and the log shows what there was of the body.
        pass
    return bytes(body)


async def _note_reuse(_session: object, context: SimpleNamespace, _parameters: object) -> None:
    context.trace_request_ctx.reused = True


def _is_stale_connection(error: Exception, reuse: SimpleNamespace) -> bool:
    if not reuse.reused or isinstance(error, aiohttp.ClientConnectorError):
        return False
    # A server that had begun to answer leaves what it sent in the message.
    return not (isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str))


def _timed_out(error: TimeoutError, request: Request) -> Failure:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Failure(code="timeout", message=f"no connection within {request.connect_timeout:g} s")
    return Failure(code="timeout", message=f"no answer within {request.timeout:g} s")
