"""A real HTTP receiver on loopback that keeps every byte it gets and answers as the test says."""

import asyncio
import re
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, cast

from tests.support.replies import HANG_UP, SILENCE, After, Received, Reply, Script
from tests.support.waiting import LIMIT, Changes

__all__ = ["HANG_UP", "SILENCE", "After", "Receipt", "Received", "Receiver", "Reply"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


@dataclass(slots=True)
class Receipt:
    """A request and what became of it.

    Attributes:
        status: What was answered; None as long as it is open, and when its connection went or was closed first.
    """

    request: Received
    status: int | None = None


class Receiver:
    """Listens on a free port of 127.0.0.1 from entering to leaving the context.

    A reply is looked up by (event id, attempt), then (event id, None), then (None, attempt), then asked of `respond`.

    Args:
        tls: Speaks TLS with this context.

    Attributes:
        receipts: Every whole request, in the order of their last bytes.
        script: Answers by event id and attempt, either of them None for any.
        respond: The answer to all others: 200 unless the test says otherwise.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.receipts: list[Receipt] = []
        self.script: dict[tuple[str | None, int | None], Reply] = {}
        self.respond: Script = lambda _: Reply()
        self.changes = Changes()
        self.port = 0
        self.open_requests = 0
        self.most_open = 0
        self.connections = 0
        self._tls = tls
        self._gate = asyncio.Event()
        self._gate.set()
        self._server: asyncio.Server | None = None
        self._living: set[_Connection] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, again on the same port after a `stop`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self.port, ssl=self._tls, backlog=4096
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections from now on, and cut those there are."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in tuple(self._living):
            connection.cut()
        await self.changes.wait_for(lambda: not self._living, "the connections to go")
        await server.wait_closed()

    def url(self, path: str = "/hook") -> str:
        """Return the URL of `path` here."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}{path}"

    @property
    def received(self) -> list[Received]:
        """Every whole request, in the order of their last bytes."""
        return [receipt.request for receipt in self.receipts]

    def of(self, event_id: object) -> list[Received]:
        """Return the requests of one event."""
        return [request for request in self.received if request.event_id == str(event_id)]

    def counts(self) -> Counter[str]:
        """Return how often each event came."""
        return Counter(request.event_id for request in self.received)

    def hold(self) -> None:
        """Answer nothing until `release`; requests are taken and stay open."""
        self._gate.clear()

    def release(self) -> None:
        """Answer what is held, and go on."""
        self._gate.set()

    def cut(self) -> None:
        """Reset every connection there is, answered or not."""
        for connection in tuple(self._living):
            connection.cut()

    async def wait_for(self, look: Callable[[], bool], what: str = "", *, limit: float = LIMIT) -> None:
        """Wait until `look()` is true; it is asked after each change here."""
        await self.changes.wait_for(look, lambda: f"{what or look}; {self!r}", limit=limit)

    async def wait_for_requests(self, count: int, *, limit: float = LIMIT) -> list[Received]:
        """Wait until at least so many requests have come in all, and return all there are."""
        await self.wait_for(lambda: len(self.receipts) >= count, f"{count} requests", limit=limit)
        return self.received

    async def wait_for_event(self, event_id: object, *, count: int = 1, limit: float = LIMIT) -> Received:
        """Wait until an event came for the `count`-th time, and return that request."""
        text = str(event_id)
        await self.wait_for(lambda: len(self.of(text)) >= count, f"event {text}, {count} times", limit=limit)
        return self.of(text)[count - 1]

    async def wait_for_open(self, count: int, *, limit: float = LIMIT) -> None:
        """Wait until at least so many requests are open at once."""
        await self.wait_for(lambda: self.open_requests >= count, f"{count} open requests", limit=limit)

    def __repr__(self) -> str:
        return f"<Receiver with {len(self.receipts)} requests, {self.open_requests} open>"

    # What connections need.

    def enter(self, connection: "_Connection") -> int:
        """Take note of a new connection and return its number."""
        self._living.add(connection)
        self.connections += 1
        return self.connections

    def leave(self, connection: "_Connection") -> None:
        """Take note that a connection is gone."""
        self._living.discard(connection)
        self.changes.tell()

    def take(self, request: Received) -> Receipt:
        """Take note of a whole request, which is open from now on."""
        receipt = Receipt(request)
        self.receipts.append(receipt)
        self.open_requests += 1
        self.most_open = max(self.most_open, self.open_requests)
        self.changes.tell()
        return receipt

    def settle(self, receipt: Receipt, status: int | None) -> None:
        """Take note that a request is open no longer."""
        receipt.status = status
        self.open_requests -= 1
        self.changes.tell()

    def reply_to(self, request: Received) -> Reply:
        """Return the answer that the test wants."""
        if self.script:
            event_id, attempt = request.event_id, request.attempt
            for key in ((event_id, attempt), (event_id, None), (None, attempt)):
                if key in self.script:
                    return self.script[key]
        return self.respond(request)

    async def opened(self) -> None:
        """Wait while answers are held."""
        await self._gate.wait()

    @property
    def is_held(self) -> bool:
        return not self._gate.is_set()


class _Connection(asyncio.Protocol):
    """One connection: whole requests one after the other, each answered before the next is looked at."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self._number = 0
        self._requests = 0
        self._open: Receipt | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type
        self._number = self._receiver.enter(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()
        self._settle(None)
        self._receiver.leave(self)

    def cut(self) -> None:
        """End it at once."""
        self._transport.abort()

    def _go_on(self) -> None:
        while self._open is None and (request := self._next()) is not None:
            self._open = self._receiver.take(request)
            reply = self._receiver.reply_to(request)
            if reply.delay or self._receiver.is_held:
                self._task = asyncio.get_running_loop().create_task(self._answer_later(reply))
                return
            self._answer(reply)

    def _next(self) -> Received | None:
        """Return the next request once it is there as a whole."""
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return None
        head = bytes(self._buffer[: end + len(_HEAD_END)])
        found = _LENGTH.search(head)
        size = len(head) + (int(found[1]) if found else 0)
        if len(self._buffer) < size:
            return None
        body = bytes(self._buffer[len(head) : size])
        del self._buffer[:size]
        self._requests += 1
        return Received(
            head=head,
            body=body,
            at=time.monotonic(),
            wall=time.time(),
            number=len(self._receiver.receipts) + 1,
            connection=self._number,
            on_connection=self._requests,
        )

    async def _answer_later(self, reply: Reply) -> None:
        await asyncio.sleep(reply.delay)
        await self._receiver.opened()
        self._task = None
        self._answer(reply)
        self._go_on()

    def _answer(self, reply: Reply) -> None:
        if wire := reply.wire():
            self._transport.write(wire)
        if reply.after != After.HANG:
            self._settle(reply.status)
        elif reply.status is not None and self._open is not None:
            self._open.status = reply.status
        if reply.after == After.CLOSE:
            self._transport.close()

    def _settle(self, status: int | None) -> None:
        receipt, self._open = self._open, None
        if receipt is not None:
            self._receiver.settle(receipt, status if receipt.status is None else receipt.status)
