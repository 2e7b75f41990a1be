"""Each limit on where requests go, and on what they may take: it holds, and taken out the same attack gets through."""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.config import Security
from relay.http import build, exchange, failures, transport
from relay.http.dns import FilteringResolver
from relay.http.guard import GuardedSocketFactory
from relay.http.transport import Transport
from relay.model import Failure
from tests.support.certificates import make_certificate, server_side
from tests.support.lane import lane, plain_socket, post
from tests.support.limits import Limit, bites, replaced
from tests.support.receiver import Receiver, Reply

NO_LIMIT = 10**9
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


async def an_internal_server_gets_nothing() -> bool:
    """Though nothing looked at the URL: the relay's own transport has the guard in it."""
    guard = GuardedSocketFactory(build.address_policy(Security()))
    async with Receiver() as receiver, build.make_transport(Security(), guard) as sending:
        answer = await sending.send(post(receiver.url()))
        return isinstance(answer, Failure) and answer.code == "not_allowed" and not receiver.received


def unguarded(**how: Any) -> Transport:
    return Transport(**{**how, "socket_factory": plain_socket})


async def a_server_that_nobody_vouches_for_gets_nothing(tls: ssl.SSLContext) -> bool:
    security = Security(allow_cidrs=(ip_network("127.0.0.0/8"),))
    guard = GuardedSocketFactory(build.address_policy(security))
    async with Receiver(tls=tls) as receiver, build.make_transport(security, guard) as sending:
        await sending.send(post(receiver.url()))
        return not receiver.received


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
    "guard in the lane": Limit(an_internal_server_gets_nothing, replaced(build, "Transport", unguarded)),
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


async def test_names_are_filtered_by_the_guards_own_rules() -> None:
    guard = GuardedSocketFactory(build.address_policy(Security()))
    async with build.make_transport(Security(), guard) as sending:
        filtering = sending._resolver
        assert isinstance(filtering, FilteringResolver)
        assert filtering._refuse == guard.refuse
