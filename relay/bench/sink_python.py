"""What `sink.c` does, for machines without a compiler, with the same arguments.

It takes about three times the CPU, of which the relay gets less.
"""

import asyncio
import json
import re
import resource
import socket
import ssl
import sys
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any, cast

import uvloop

from relay.bench.receipts import CAPTURED, RECORD

_PATH = re.compile(rb"[A-Z]+ /(\d*)(?:/(delay|never|status)(?:/(\d+))?)?")
_ID = re.compile(rb"\r\nx-webhook-id: *([0-9a-f-]{32,36})", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TAKEN = range(200, 300)


class Book:
    """What has arrived.

    Args:
        capture: The file for whole requests.
        every: Each so many-th is captured.

    Attributes:
        pace_ms: After how long is answered what has no delay of its own.
    """

    def __init__(self, capture: Path, every: int) -> None:
        self._capture = capture.open("wb")
        self._every = every
        self.connections = self.open = self.waiting = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything but the connections that stand."""
        self._capture.seek(0)
        self._capture.truncate()
        self._records = bytearray()
        self._seen: set[tuple[bytes, int]] = set()
        self._count = self._repeated = self._refused = self.bad = 0
        self._times = (0, 0)
        self.connections = self.open
        self._most_waiting = self.waiting
        self.pace_ms = 0

    def note(
        self, request: bytes, event_id: bytes, endpoint: int, *, at: int, status: int, reused: bool
    ) -> None:
        """Write down a request that came at `at`."""
        self._count += 1
        self._records += RECORD.pack(event_id, at, endpoint, status, reused)
        self._times = (self._times[0] or at, at)
        if status not in _TAKEN:
            self._refused += 1
        elif (event_id, endpoint) in self._seen:
            self._repeated += 1
        else:
            self._seen.add((event_id, endpoint))
        if self._every and self._count % self._every == 0:
            self._capture.write(CAPTURED.pack(len(request), endpoint) + request)

    def wait(self, change: int) -> None:
        """Write down that a request is answered later or never, or that it waits no more."""
        self.waiting += change
        self._most_waiting = max(self._most_waiting, self.waiting)

    def stats(self) -> dict[str, int]:
        """Return the counts."""
        return {
            "requests": self._count,
            "distinct": len(self._seen),
            "repeated": self._repeated,
            "refused": self._refused,
            "bad": self.bad,
            "connections": self.connections,
            "open": self.open,
            "waiting": self.waiting,
            "most_waiting": self._most_waiting,
            "first_ns": self._times[0],
            "last_ns": self._times[1],
        }

    def dump(self, path: str) -> dict[str, int]:
        """Write the records to a file."""
        Path(path).write_bytes(self._records)
        self._capture.flush()
        return {"dumped": self._count}


class Receiver(asyncio.Protocol):
    """One connection."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._buffer = bytearray()
        self._first_ns = self._served = 0
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._book.connections += 1
        self._book.open += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """End."""
        self._book.open -= 1
        self._set_waiting(is_waiting=False)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if not self._buffer:
            self._first_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self._buffer += data
        self._work_off()

    def _work_off(self) -> None:
        while self._buffer and not self._is_waiting:
            end = self._buffer.find(b"\r\n\r\n") + 4
            length = _LENGTH.search(self._buffer, 0, end) if end > 3 else None  # noqa: PLR2004 - found
            total = end + (int(length[1]) if length else 0)
            if end <= 3 or len(self._buffer) < total:  # noqa: PLR2004 - as above
                return
            request = bytes(self._buffer[:total])
            del self._buffer[:total]
            self._answer(request, end)
            self._first_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def _answer(self, request: bytes, end: int) -> None:
        path = _PATH.match(request)
        found = _ID.search(request, 0, end)
        if path is None or found is None:
            self._book.bad += 1
            self._transport.close()
            return
        kind, number = path[2], int(path[3] or 0)
        status = {b"never": 0, b"status": number}.get(kind, 200)
        self._book.note(
            request,
            bytes.fromhex(found[1].replace(b"-", b"").decode()),
            int(path[1] or 0),
            at=self._first_ns,
            status=status,
            reused=self._served > 0,
        )
        self._served += 1
        delay = {b"delay": number, None: self._book.pace_ms}.get(kind, 0)
        if status and not delay:
            self._respond(status)
            return
        self._set_waiting(is_waiting=True)
        if status:
            asyncio.get_running_loop().call_later(delay / 1000, self._answer_late)

    def _answer_late(self) -> None:
        self._set_waiting(is_waiting=False)
        if not self._transport.is_closing():
            self._respond(200)
            self._work_off()

    def _set_waiting(self, *, is_waiting: bool) -> None:
        if is_waiting != self._is_waiting:
            self._is_waiting = is_waiting
            self._book.wait(1 if is_waiting else -1)

    def _respond(self, status: int) -> None:
        self._transport.write(
            b"HTTP/1.1 %d OK\r\nServer: sink\r\nDate: %b\r\nContent-Type: text/plain\r\n"
            b"Content-Length: 3\r\nConnection: keep-alive\r\n\r\nok\n" % (status, _date())
        )


def _date() -> bytes:
    now = int(time.time())
    if _dates[0] != now:
        _dates[:] = [now, formatdate(now, usegmt=True).encode()]
    return cast("bytes", _dates[1])


_dates: list[Any] = [0, b""]


def _listeners(count: int) -> list[socket.socket]:
    """Listen on one port of 127.0.0.1, 127.0.0.2, and so on."""
    for _ in range(100):
        opened = [_listener("127.0.0.1", 0)]
        port = opened[0].getsockname()[1]
        try:
            opened += [_listener(f"127.0.0.{number}", port) for number in range(2, count + 1)]
        except OSError:
            for each in opened:
                each.close()
            continue
        return opened
    raise OSError("no port is free on all addresses")


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


async def _serve(addresses: int, book: Book, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    listeners = _listeners(addresses)
    for each in listeners:
        await loop.create_server(lambda: Receiver(book), sock=each, backlog=4096, ssl=tls)
    _say(f"ready {listeners[0].getsockname()[1]}")
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    commands: dict[str, Callable[[str], dict[str, int] | None]] = {
        "stats": lambda _: book.stats(),
        "dump": book.dump,
        "pace": lambda delay: setattr(book, "pace_ms", int(delay)),
        "reset": lambda _: book.reset(),
    }
    while line := await reader.readline():
        verb, _, argument = line.decode().strip().partition(" ")
        _say(json.dumps(commands[verb](argument) or {}))


def _tls(certificates: list[str]) -> ssl.SSLContext | None:
    if not certificates:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates[0])
    return context


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run until stdin ends."""
    addresses, capture, every, *certificates = sys.argv[1:]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(addresses), Book(Path(capture), int(every)), _tls(certificates)))


if __name__ == "__main__":
    main()
