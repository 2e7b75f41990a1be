"""Each limit on what a connection is used for: it holds, and taken out the same attack gets through."""

import asyncio
import fcntl
import functools
import os
import select
import termios
import time

import pytest
from aiohttp import connector

from relay.http import exchange, transport
from relay.http.head_first import HeadFirst
from relay.http.transport import Transport
from relay.model import Response
from tests.support.lane import descriptors, lane, post, serving
from tests.support.limits import Limit, bites, replaced
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import eventually

NO_LIMIT = 10**9
REFUSED = Reply(status=500)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
WITH_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PUSHED = b"HTTP/1.1 299 Pushed\r\nContent-Length: 0\r\n\r\n"


async def what_is_heard_while_idle_ends_the_connection() -> bool:
    async with Receiver() as receiver, lane() as sending:
        await sending.send(post(receiver.url()))
        push(receiver)
        await eventually(functools.partial(has_read, sending), "what was pushed is read")
        await sending.send(post(receiver.url()))
        return receiver.connections == 2


async def what_is_not_read_yet_answers_nothing() -> bool:
    async with Receiver() as receiver, lane() as sending:
        await sending.send(post(receiver.url()))
        receiver.respond = lambda _: REFUSED
        asyncio.get_running_loop().call_soon(push, receiver)  # in the turn that writes, so not read before
        answer = await sending.send(post(receiver.url()))
    return isinstance(answer, Response) and answer.status == REFUSED.status


async def what_follows_a_response_ends_the_connection() -> bool:
    async with Receiver() as receiver, lane() as sending:
        receiver.respond = lambda _: Reply(raw=OK + PUSHED)
        for _ in range(2):
            await sending.send(post(receiver.url()))
        return receiver.connections == 2


async def the_beginning_of_another_response_swallows_nothing() -> bool:
    refusal = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    async with Receiver() as receiver, lane() as sending:
        receiver.respond = lambda _: Reply(raw=WITH_BODY + b"HTTP/1.1 200 OK\r\nX-Foo: ")
        await sending.send(post(receiver.url()))
        receiver.respond = lambda _: Reply(raw=refusal)
        answer = await sending.send(post(receiver.url()))
    return isinstance(answer, Response) and answer.status == REFUSED.status


async def a_request_that_is_not_all_written_is_followed_by_none() -> bool:
    held: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n")

    async with serving(serve) as url, lane() as sending:
        for _ in range(2):
            await sending.send(post(url, body=b"x" * 50_000_000, timeout=0.5))
        for writer in held:
            writer.transport.abort()
    return len(held) == 2


async def what_is_given_up_is_closed_though_it_is_not_written() -> bool:
    """A server that reads nothing would else keep the rest of a request in our memory."""
    may_end = asyncio.Event()

    async def read_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await may_end.wait()
        writer.transport.abort()

    async with serving(read_nothing) as url, lane() as sending:
        before = descriptors()
        await sending.send(post(url, body=b"x" * 20_000_000, timeout=0.2))

        async def is_closed() -> bool:
            return descriptors() <= before + 1  # the server's own

        try:
            await eventually(is_closed, "its descriptor closed", limit=0.5)
        except AssertionError:
            return False
        finally:
            may_end.set()
    return True


async def after_four_seconds_a_connection_is_not_used_again() -> bool:
    """Servers close theirs after five or more: what is sent just then would be lost on the way."""
    async with Receiver() as receiver, lane() as sending:
        await sending.send(post(receiver.url()))
        with pytest.MonkeyPatch.context() as later:
            later.setattr(connector, "monotonic", lambda: time.monotonic() + 4.01)
            await sending.send(post(receiver.url()))
        return receiver.connections == 2


def push(receiver: Receiver) -> None:
    """Send a response that nobody asked for: it is in our kernel when this returns, and not read."""
    for connection in receiver._living:
        os.write(connection._transport.get_extra_info("socket").fileno(), PUSHED)


async def has_read(sending: Transport) -> bool:
    """Say whether nothing lies unread on idle connections."""
    idle = [protocol for pool in sending._connector._conns.values() for protocol, _ in pool]
    descriptors = [each.descriptor for each in idle if isinstance(each, HeadFirst)]
    size = b"\0\0\0\0"
    return all(not any(fcntl.ioctl(each, termios.FIONREAD, size)) for each in descriptors if each >= 0)


def hear_nothing_while_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    received = HeadFirst.data_received

    def hear(self: HeadFirst, data: bytes) -> None:
        if self._asker is not None or self._payload is not None:
            received(self, data)

    monkeypatch.setattr(HeadFirst, "data_received", hear)


class NothingUnread:
    """Stands for what asks the kernel."""

    def register(self, *_: int) -> None:
        pass

    def poll(self, _: float) -> list[tuple[int, int]]:
        return []


def keep_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    renew = HeadFirst._renew_parser
    monkeypatch.setattr(HeadFirst, "_renew_parser", lambda self: None if self._parser else renew(self))


LIMITS = {
    "heard while idle": Limit(what_is_heard_while_idle_ends_the_connection, hear_nothing_while_idle),
    "unread while idle": Limit(what_is_not_read_yet_answers_nothing, replaced(select, "poll", NothingUnread)),
    "behind a response": Limit(
        what_follows_a_response_ends_the_connection, replaced(HeadFirst, "_take_body", lambda *_: None)
    ),
    "a parser each": Limit(the_beginning_of_another_response_swallows_nothing, keep_the_parser),
    "all written": Limit(
        a_request_that_is_not_all_written_is_followed_by_none,
        replaced(exchange, "_is_all_written", lambda _: True),
    ),
    "closed at once": Limit(
        what_is_given_up_is_closed_though_it_is_not_written,
        replaced(exchange, "_abort", lambda connection: connection.close()),
    ),
    "idle time": Limit(
        after_four_seconds_a_connection_is_not_used_again, replaced(transport, "IDLE_SECONDS", 3600.0)
    ),
}


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
async def test_it_holds_and_without_it_nothing_does(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    await bites(limit, monkeypatch)
