"""One request and what came back, from the first step to the last byte that counts."""

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol, cast

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader

from relay.http.failures import failure_of
from relay.http.head_first import HeadFirst, ProtocolTrouble
from relay.model import Answer, Failure, Request, Response
from relay.observe.logs import get_logger

log = get_logger()

BODY_SECONDS = 2.0
"""Once the status has come it decides; the body may take this long and no longer."""

Done = Callable[[Answer | None], None]
"""Called once with what came back; with None if the exchange was cut off."""


class Lane(Protocol):
    """What an exchange needs of the lane that it is in."""

    def connect(self, exchange: "Exchange", *, fresh: bool) -> None:
        """Get a connection for it."""

    def write_soon(self, exchange: "Exchange") -> None:
        """Have it write its request, together with others."""

    def read_body(self, exchange: "Exchange", message: RawResponseMessage, body: StreamReader) -> None:
        """Wait for the rest of a body, without the time-out: the status decides."""

    def left(self, exchange: "Exchange") -> None:
        """Forget it: it is over."""

    @property
    def resolves(self) -> bool:
        """Whether names can be resolved, as far as is known."""
        ...


class Exchange:
    """A request on its way: no task of its own while its connection is there and its response comes in one piece.

    Args:
        lane: Where it is.
        request: What to send.
        head: Its first lines as bytes, up to the body.
        done: Called when it is over.
    """

    __slots__ = (
        "_answer",
        "_connection",
        "_done",
        "_head",
        "_lane",
        "_protocol",
        "is_reused",
        "request",
        "task",
    )

    def __init__(self, lane: Lane, request: Request, head: bytes, done: Done) -> None:
        self._lane = lane
        self.request = request
        self._head = head
        self._done: Done | None = done
        self._connection: Connection | None = None
        self._protocol: HeadFirst | None = None
        self._answer: tuple[RawResponseMessage, StreamReader] | None = None
        self.is_reused = False
        self.task: asyncio.Task[None] | None = None

    def take(self, connection: Connection, *, is_reused: bool) -> None:
        """Send the request over this connection, as soon as it is to be written."""
        if self._done is None:  # it expired, or was cut off, just as the connection came
            connection.close()
            return
        self._connection = connection
        self._protocol = cast("HeadFirst", connection.protocol)
        self.is_reused = is_reused
        self._lane.write_soon(self)

    @property
    def is_over(self) -> bool:
        """Whether its answer was handed on."""
        return self._done is None

    @property
    def descriptor(self) -> int:
        """The socket's; -1 if there is none any more."""
        return -1 if self._protocol is None else self._protocol.descriptor

    def write(self, *, has_unread: bool) -> None:
        """Write the request, unless the connection ended or has something on it that nobody asked for."""
        protocol = self._protocol
        if protocol is None:
            return  # it is over
        is_there = protocol.transport is not None
        if is_there and not has_unread and not protocol.should_close:
            protocol.begin(self, self._head, self.request.body)
        elif self.is_reused:
            self._leave()
            self._lane.connect(self, fresh=False)
        elif is_there:
            self.broke(ProtocolTrouble("the server spoke before it was asked"))
        else:
            self.broke(protocol.exception() or aiohttp.ServerDisconnectedError())

    def answered(self, message: RawResponseMessage, body: StreamReader) -> None:
        """Take the response; the rest of its body is waited for, if it has not come with it."""
        if body.is_eof():
            self.finish_with(message, body, _whole(body, self.request.max_response_bytes))
        else:
            self._answer = (message, body)
            self._lane.read_body(self, message, body)

    def broke(self, error: BaseException) -> None:
        """Send once more if a reused connection was closed before any byte came, else end in a failure.

        The server closed an idle connection just as it was used: nobody has seen the request.
        """
        has_received = self._protocol is not None and self._protocol.has_received
        self._leave()
        is_cut = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
        if self.is_reused and is_cut and not has_received and self._done is not None:
            self.is_reused = False
            self._lane.connect(self, fresh=True)
        else:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End in what `error` means."""
        if isinstance(error, aiohttp.ClientError | HttpProcessingError | OSError | ValueError | MemoryError):
            self.finish(failure_of(error))
        else:
            log.error("request.failed_internally", exc_info=error)
            self.finish(Failure(code="protocol", message=f"internal error: {type(error).__name__}"))

    def expire(self) -> None:
        """End: no answer came in time."""
        is_unresolved = self._protocol is None and not self._lane.resolves
        self._give_up()
        message = f"no answer within {self.request.timeout:g} s"
        self.finish(Failure(code="timeout", message=message, is_own_fault=is_unresolved))

    def cut_off(self) -> None:
        """End now by our own wish: with the status if it has come, else without an answer."""
        if self._answer is None:
            self._give_up()
            self.finish(None)
        elif self.task is not None:
            self.task.cancel()
            self.finish_with(*self._answer, b"")

    def finish_with(self, message: RawResponseMessage, body: StreamReader, content: bytes) -> None:
        """End with a response; the connection is used again if nothing is left on it, either way."""
        connection, protocol = self._connection, self._protocol
        if connection is not None and protocol is not None:
            self._connection = self._protocol = None
            protocol.forget()
            if body.at_eof() and _is_all_written(protocol):
                connection.release()
            else:
                _abort(connection)
        self.finish(Response(message.code, _headers(message), content))

    def finish(self, answer: Answer | None) -> None:
        """Hand the answer on, unless it was handed on before."""
        done, self._done = self._done, None
        if done is not None:
            self._lane.left(self)
            done(answer)

    def _give_up(self) -> None:
        if self._protocol is not None:
            self._protocol.forget()
        self._leave()
        if self.task is not None:
            self.task.cancel()

    def _leave(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection, self._protocol = self._connection, None, None
        if connection is not None:
            _abort(connection)


async def rest_of(body: StreamReader, limit: int) -> bytes:
    """Return at most `limit` bytes of a body; no trouble with it counts."""
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while len(content) < limit:
                chunk = await body.read(limit - len(content))
                if not chunk:
                    break
                content += chunk
    except (TimeoutError, aiohttp.ClientError, HttpProcessingError, OSError):
        pass
    return bytes(content)


def _whole(body: StreamReader, limit: int) -> bytes:
    return body.read_nowait(limit) if body.total_bytes else b""


RawHeaders = tuple[tuple[bytes, bytes], ...]


def _headers(message: RawResponseMessage) -> Mapping[str, str]:
    """Return the headers; the same object for the same ones, since a server's differ little within a second."""
    raw = message.raw_headers
    size = sum([len(name) + len(value) for name, value in raw])
    return _known_headers(raw) if size <= _MOST_KNOWN else _new_headers(raw)


def _new_headers(raw: RawHeaders) -> Mapping[str, str]:
    return MappingProxyType({_text(name).lower(): _text(value) for name, value in raw})


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


_MOST_KNOWN = 1000
"""Bytes of headers that are kept: what strangers send must not fill the memory."""
_known_headers = lru_cache(maxsize=512)(_new_headers)


def _abort(connection: Connection) -> None:
    transport = connection.transport
    if transport is not None:
        transport.abort()
    connection.close()


def _is_all_written(protocol: HeadFirst) -> bool:
    """Say whether the next request need not wait for the rest of one that was answered early."""
    return protocol.transport is None or protocol.transport.get_write_buffer_size() == 0
