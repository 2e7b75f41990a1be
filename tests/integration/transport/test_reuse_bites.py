"""Each limit on connections, and on where requests go: it holds, and taken out the same attack gets through."""

import asyncio
import fcntl
import functools
import os
import select
import ssl
import termios
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
from aiohttp import connector

from relay.config import Security
from relay.http import build, exchange, failures, transport
from relay.http.guard import GuardedSocketFactory
from relay.http.head_first import HeadFirst
from relay.http.transport import Transport
from relay.model import Failure, Response
from tests.support.certificates import make_certificate, server_side
from tests.support.lane import lane, post, serving
from tests.support.limits import Limit, bites, replaced
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import eventually

NO_LIMIT = 10**9
REFUSED = Reply(status=500)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
WITH_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PUSHED = b"HTTP/1.1 299 Pushed\r\nContent-Length: 0\r\n\r\n"

# Connections that are used again.


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


# Where requests go.

Send = Callable[[str], Awaitable[object]]


@asynccontextmanager
async def our_lane() -> AsyncIterator[Send]:
    async with lane() as sending:
        yield lambda url: sending.send(post(url))


@asynccontextmanager
async def session_of_aiohttp() -> AsyncIterator[Send]:
    jar = aiohttp.CookieJar(unsafe=True)  # which takes cookies of addresses too
    async with aiohttp.ClientSession(cookie_jar=jar, trust_env=True) as session:

        async def send(url: str) -> None:
            (await session.post(url, data=b"{}")).release()

        yield send


class Client:
    """What sends the requests of an attack: ours, which does less than any other."""

    opened: Callable[[], AbstractAsyncContextManager[Send]] = staticmethod(our_lane)


another_client = replaced(Client, "opened", staticmethod(session_of_aiohttp))


async def a_redirect_is_not_followed() -> bool:
    async with Receiver() as receiver, Client.opened() as send:
        elsewhere = Reply(status=302, headers=(("Location", "/else"),))
        receiver.respond = lambda request: elsewhere if request.path == "/hook" else Reply()
        await send(receiver.url())
        return len(receiver.received) == 1


async def a_cookie_is_not_kept() -> bool:
    async with Receiver() as receiver, Client.opened() as send:
        receiver.respond = lambda _: Reply(headers=(("Set-Cookie", "a=b"),))
        for _ in range(2):
            await send(receiver.url())
        return "cookie" not in {name.lower() for name, _ in receiver.received[1].headers}


async def a_proxy_of_the_environment_is_not_asked() -> bool:
    async with Receiver() as receiver, Receiver() as proxy, Client.opened() as send:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("http_proxy", proxy.url(""))
            await send(receiver.url())
        return not proxy.received


async def a_server_that_nobody_vouches_for_gets_nothing(tls: ssl.SSLContext) -> bool:
    security = Security(allow_cidrs=(ip_network("127.0.0.0/8"),))
    guard = GuardedSocketFactory(build.address_policy(security))
    async with Receiver(tls=tls) as receiver, build.make_transport(security, guard) as sending:
        await sending.send(post(receiver.url()))
        return not receiver.received


# What is kept in memory, and for how long the loop is taken.


async def of_many_connections_ten_are_begun_in_a_turn() -> bool:
    async with Receiver() as receiver, lane() as sending:
        for _ in range(50):
            sending.start(post(receiver.url()), lambda _: None)
        await asyncio.sleep(0)
        begun = [task for task in asyncio.all_tasks() if task.get_name() == "connect"]
        sending.cut_off()
        return len(begun) <= transport.CONNECTS_AT_ONCE < NO_LIMIT


async def routes_do_not_pile_up() -> bool:
    async with Receiver() as receiver, lane() as sending:
        known = sending._route(receiver.url("/known"))
        sending._routes = {str(number): known for number in range(100_000)}
        await sending.send(post(receiver.url()))
        return len(sending._routes) <= 100_000


async def long_headers_are_not_remembered() -> bool:
    exchange._known_headers.cache_clear()
    async with Receiver() as receiver, lane() as sending:
        receiver.respond = lambda _: Reply(headers=(("X-Long", "x" * 2000),))
        await sending.send(post(receiver.url()))
    return exchange._known_headers.cache_info().currsize == 0


async def what_is_told_of_a_failure_is_short() -> bool:
    async with Receiver() as receiver, lane() as sending:
        receiver.respond = lambda _: Reply(raw=b"HTTP/1.1 " + b"x" * 5000 + b"\r\n\r\n")
        answer = await sending.send(post(receiver.url()))
    assert isinstance(answer, Failure)
    return len(answer.message) <= 500


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
    "idle time": Limit(
        after_four_seconds_a_connection_is_not_used_again, replaced(transport, "IDLE_SECONDS", 3600.0)
    ),
    "no redirects": Limit(a_redirect_is_not_followed, another_client),
    "no cookies": Limit(a_cookie_is_not_kept, another_client),
    "no proxies": Limit(a_proxy_of_the_environment_is_not_asked, another_client),
    "connects in a turn": Limit(
        of_many_connections_ten_are_begun_in_a_turn, replaced(transport, "CONNECTS_AT_ONCE", NO_LIMIT)
    ),
    "routes": Limit(routes_do_not_pile_up, replaced(transport, "MOST_ROUTES", NO_LIMIT)),
    "headers in memory": Limit(long_headers_are_not_remembered, replaced(exchange, "_MOST_KNOWN", NO_LIMIT)),
    "text of a failure": Limit(what_is_told_of_a_failure_is_short, replaced(failures, "_LONGEST", NO_LIMIT)),
}


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
async def test_it_holds_and_without_it_nothing_does(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    await bites(limit, monkeypatch)


async def test_servers_are_verified_and_nothing_else_keeps_a_stranger_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = server_side(make_certificate(tmp_path))
    believing = ssl._create_unverified_context()  # noqa: S323 - what is shown not to be in use
    limit = Limit(
        functools.partial(a_server_that_nobody_vouches_for_gets_nothing, tls),
        replaced(ssl, "create_default_context", lambda **_: believing),
    )
    await bites(limit, monkeypatch)
