"""WSGI in front of an inbox: an application of its own, or called in a view of Flask or Django.

    receiver = WsgiReceiver(Door(inbox), lifespan=inbox)
    receiver.start()                                          # in each process, after the server has forked
    answer = receiver.answer(request.environ)                 # in a view, before anything reads the body

WSGI is synchronous and the inbox is not: the receiver has a thread with an event loop of its own, in which the
inbox and its handlers live from `start` to `stop`.
"""

import asyncio
import os
import re
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from http.client import responses
from typing import Any, Self, TypeAlias, TypeVar

from relay.receiver.adapters.door import Answer, Door, Head, Pairs

TAKE_LIMIT = 30.0
START_LIMIT = 60.0
STOP_LIMIT = 120.0
CHUNK = 64 * 1024
_LENGTH = re.compile(r"[0-9]{1,18}")

Environ: TypeAlias = Mapping[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
T = TypeVar("T")


class WsgiReceiver:
    """A WSGI application (PEP 3333) that takes webhooks at whatever path it is reached.

    Args:
        door: Lets requests in and answers them.
        lifespan: Entered by `start` and left by `stop`, in the thread of the receiver, such as the inbox.
    """

    def __init__(self, door: Door, *, lifespan: AbstractAsyncContextManager[object] | None = None) -> None:
        self._door = door
        self._lifespan = lifespan
        self._bridge: _Bridge | None = None

    def start(self) -> None:
        """Start the thread and what lives in it. A server that forks its workers must call this in each.

        Raises:
            RuntimeError: It is started.
            Exception: Whatever the inbox's start raises.
        """
        if self._bridge is not None:
            raise RuntimeError("the receiver is started")
        bridge = _Bridge()
        try:
            if self._lifespan is not None:
                bridge.run(self._lifespan.__aenter__(), START_LIMIT)
        except BaseException:
            bridge.close()
            raise
        self._bridge = bridge

    def stop(self) -> None:
        """Stop what lives in the thread, and end it. Harmless if it is not started."""
        bridge, self._bridge = self._bridge, None
        if bridge is None or bridge.pid != os.getpid():
            return
        try:
            if self._lifespan is not None:
                bridge.run(self._lifespan.__aexit__(None, None, None), STOP_LIMIT)
        finally:
            bridge.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        answer = self.answer(environ)
        start_response(f"{answer.status} {responses[answer.status]}", answer.all_headers)
        return [answer.body]

    def answer(self, environ: Environ) -> Answer:
        """Take one request, whose body nobody may have read, and return what to answer.

        Raises:
            RuntimeError: The receiver was not started in this process.
        """
        bridge = self._bridge
        if bridge is None or bridge.pid != os.getpid():
            raise RuntimeError("start() the receiver in this process, after the server has forked")
        return _without_hop_by_hop(self._answer(bridge, environ))

    def _answer(self, bridge: "_Bridge", environ: Environ) -> Answer:
        pairs = _headers(environ)
        peer = environ.get("REMOTE_ADDR") or None
        refusal = self._door.refusal(Head(method=environ["REQUEST_METHOD"], headers=pairs, peer=peer))
        if refusal is not None:
            return refusal
        body = _read(environ, self._door.max_body)
        if body is None:
            return Answer(status=400, text="the body is not complete")
        if len(body) > self._door.max_body:
            return self._door.too_large()
        try:
            return bridge.run(self._door.take(body, pairs), TAKE_LIMIT)
        except TimeoutError:
            return Answer(status=503, text="come again")


class _Bridge:
    """An event loop in a thread of its own, and the process that it belongs to."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="webhook receiver", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], limit: float) -> T:
        """Run something in the loop and return its result; what takes too long is cancelled."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(limit)
        finally:
            future.cancel()

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _headers(environ: Environ) -> Pairs:
    """Return the headers; of one that is repeated servers make one, with commas between."""
    found = [
        (name[5:].replace("_", "-").lower(), str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    content = (
        ("content-type", environ.get("CONTENT_TYPE")),
        ("content-length", environ.get("CONTENT_LENGTH")),
    )
    return [*found, *((name, str(value)) for name, value in content if value)]


def _read(environ: Environ, most: int) -> bytes | None:
    """Return the body, or one byte more than `most`; None if less comes than was announced, or it is unclear."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length:
        if not _LENGTH.fullmatch(length):
            return None
        wanted = min(int(length), most + 1)
        body = _read_up_to(environ["wsgi.input"], wanted)
        return body if len(body) == wanted else None
    if environ.get("wsgi.input_terminated"):
        return _read_up_to(environ["wsgi.input"], most + 1)
    return b""


def _read_up_to(stream: Any, most: int) -> bytes:
    body = bytearray()
    while len(body) < most and (chunk := stream.read(min(CHUNK, most - len(body)))):
        body += chunk
    return bytes(body)


def _without_hop_by_hop(answer: Answer) -> Answer:
    """Leave `Connection` to the server, as PEP 3333 wants."""
    return replace(answer, headers=[pair for pair in answer.headers if pair[0] != "connection"])
