"""What is peculiar to each adapter: the life of a server, senders who go away, lengths that are not right."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from relay.receiver.adapters import aiohttp as aiohttp_adapter
from relay.receiver.adapters import asgi as asgi_adapter
from relay.receiver.adapters.aiohttp import aiohttp_route
from relay.receiver.adapters.asgi import AsgiReceiver
from relay.receiver.adapters.door import Door
from relay.receiver.adapters.wsgi import WsgiReceiver
from tests.support.taken import Taken
from tests.support.waiting import LIMIT

HALF = b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"


@asynccontextmanager
async def serving(door: Door) -> AsyncIterator[tuple[str, int]]:
    """Serve a door with aiohttp, and provide its address."""
    application = web.Application()
    application.router.add_route("*", "/hook", aiohttp_route(door))
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield host, port
    finally:
        await runner.cleanup()


async def test_asgi_serves_the_life_of_a_server() -> None:
    steps: list[str] = []

    class Life:
        async def __aenter__(self) -> None:
            steps.append("start")

        async def __aexit__(self, *_: object) -> None:
            steps.append("stop")

    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        steps.append(message["type"])

    await AsgiReceiver(Door(Taken()), lifespan=Life())({"type": "lifespan"}, receive, send)

    assert steps == ["start", "lifespan.startup.complete", "stop", "lifespan.shutdown.complete"]


async def test_asgi_tells_the_server_that_a_start_failed() -> None:
    sent: list[Any] = []

    class Life:
        async def __aenter__(self) -> None:
            raise OSError("no database")

        async def __aexit__(self, *_: object) -> None:
            raise AssertionError("it never started")

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(OSError, match="no database"):
        await AsgiReceiver(Door(Taken()), lifespan=Life())({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "lifespan.startup.failed", "message": "OSError: no database"}]


async def test_asgi_takes_nothing_of_a_sender_who_goes_away() -> None:
    taken = Taken()
    messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        raise AssertionError(message)

    await AsgiReceiver(Door(taken))({"type": "http", "method": "POST", "headers": []}, receive, send)
    assert taken.bodies == []


@pytest.mark.parametrize("adapter", ["asgi", "aiohttp"])
async def test_a_body_that_does_not_come_is_not_waited_for_for_ever(
    adapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi_adapter, "READ_LIMIT", 0.05)
    monkeypatch.setattr(aiohttp_adapter, "READ_LIMIT", 0.05)
    if adapter == "asgi":
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "headers": []}
        await AsgiReceiver(Door(Taken()))(scope, asyncio.Event().wait, send)  # type: ignore[arg-type]
        assert sent[0]["status"] == 408
        return
    async with serving(Door(Taken())) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(HALF)
        assert await asyncio.wait_for(reader.readexactly(12), LIMIT) == b"HTTP/1.1 408"
        writer.close()
        await writer.wait_closed()


async def test_aiohttp_takes_nothing_of_a_sender_who_goes_away(caplog: pytest.LogCaptureFixture) -> None:
    taken = Taken()
    async with serving(Door(taken)) as address:
        _, aborted = await asyncio.open_connection(*address)
        aborted.write(HALF)
        await aborted.drain()
        aborted.transport.abort()
        await aborted.wait_closed()
        _, finished = await asyncio.open_connection(*address)
        finished.write(HALF)
        finished.write_eof()
        finished.close()
        await finished.wait_closed()

    assert taken.bodies == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def environ_of(body: bytes, **more: object) -> dict[str, Any]:
    return {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(body), **more}


@pytest.mark.parametrize(
    ("environ", "status", "bodies"),
    [
        (environ_of(b"12345", CONTENT_LENGTH="3"), 200, [b"123"]),
        (environ_of(b"12345", CONTENT_LENGTH="6"), 400, []),  # somebody has read it before, or it was cut off
        (environ_of(b"12345", CONTENT_LENGTH="x"), 400, []),
        (environ_of(b"12345", CONTENT_LENGTH="-1"), 400, []),
        (environ_of(b"12345", CONTENT_LENGTH="٣"), 400, []),
        (environ_of(b"12345", CONTENT_LENGTH="0" * 5000), 400, []),
        (environ_of(b"12345"), 200, [b""]),
        (environ_of(b"12345", **{"wsgi.input_terminated": True}), 200, [b"12345"]),
        (environ_of(b"x" * 101, **{"wsgi.input_terminated": True}), 413, []),
    ],
)
def test_wsgi_reads_what_was_announced(environ: dict[str, Any], status: int, bodies: list[bytes]) -> None:
    taken = Taken()
    with WsgiReceiver(Door(taken, max_body=100)) as receiver:
        assert receiver.answer(environ).status == status
    assert taken.bodies == bodies


def test_wsgi_answers_as_the_protocol_wants() -> None:
    started: list[Any] = []
    with WsgiReceiver(Door(Taken(), max_body=1)) as receiver:
        body = b"".join(receiver(environ_of(b"12", CONTENT_LENGTH="2"), lambda *given: started.append(given)))

    assert body == b"more than 1 bytes\n"
    assert started == [
        (
            "413 Request Entity Too Large",
            [("content-type", "text/plain; charset=utf-8"), ("content-length", "18")],
        )
    ]


def test_wsgi_that_was_not_started_in_this_process_says_so() -> None:
    receiver = WsgiReceiver(Door(Taken()))
    with pytest.raises(RuntimeError, match="after the server has forked"):
        receiver.answer(environ_of(b""))
    receiver.start()
    with pytest.raises(RuntimeError, match="is started"):
        receiver.start()
    receiver.stop()
    receiver.stop()
    with pytest.raises(RuntimeError, match="after the server has forked"):
        receiver.answer(environ_of(b""))


def test_wsgi_whose_inbox_does_not_start_leaves_no_thread() -> None:
    class Life:
        async def __aenter__(self) -> None:
            raise OSError("no database")

        async def __aexit__(self, *_: object) -> None:
            raise AssertionError("it never started")

    receiver = WsgiReceiver(Door(Taken()), lifespan=Life())
    for _ in range(2):
        with pytest.raises(OSError, match="no database"):
            receiver.start()
