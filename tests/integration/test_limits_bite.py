"""Each rule on what is sent, and on what is kept of an answer: it holds, and taken out the same attack gets through."""

import contextlib
import fcntl
import json
import socket
import struct
import termios
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import asyncpg
import pytest

from relay.config import Security
from relay.endpoints import filters, rows
from relay.endpoints.rows import Defaults, EndpointRows
from relay.http import build, guard
from relay.http.addresses import AddressPolicy
from relay.http.guard import RECEIVE_BUFFER, AddressRefused, GuardedSocketFactory, OwnAddresses
from relay.model import Answer, Claim, Failure, Request, Response, Retrying, Schedule
from relay.pipeline import batch, compose, texts, verdict
from relay.pipeline.sender import Limits, Sender
from relay.store.clock import DatabaseClock
from relay.store.secrets import SecretBox
from relay.store.session import Session
from tests.support import results
from tests.support.application import Application
from tests.support.limits import Limit, bites, replaced

NO_LIMIT = 10**9
SMUGGLED = '{"X-A": "b\\r\\nHost: elsewhere"}'
INSIDE = "http://127.0.0.1:8080/"
PUBLIC = "https://example.com/hook"


# What is sent, and where.


class Notes:
    """Takes requests down, and sends none."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def start(self, request: Request, done: Callable[[Answer | None], None]) -> None:
        self.requests.append(request)
        done(Response(200, {}, b""))

    def cut_off(self) -> None:
        pass


async def requests_for(
    database: str, claim: Claim, url: str = PUBLIC, *, headers: str = "{}"
) -> list[Request]:
    """Return the requests that an attempt makes, for an endpoint that is written past every check."""
    async with Application(database) as application:
        endpoint_id = await application.add_endpoint(url, headers=headers)
    reading = EndpointRows(
        defaults=Defaults(timeout=1.0, max_in_flight=1, schedule=Schedule()),
        secrets=SecretBox(),
        refuse_url=build.url_rule(Security()),
    )
    session = Session(database, name="test", timeout=10.0)
    try:
        read = await reading.read(session, known=0)
    finally:
        await session.close()
    (endpoint,) = [each for each in read.endpoints if each.id == endpoint_id]
    wire = Notes()
    limits = Limits(user_agent="Relay/1.0", connect_timeout=1.0, max_response_bytes=100)
    assert claim.event is not None
    Sender(wire=wire, clock=DatabaseClock(), limits=limits).start(
        claim, claim.event, endpoint, lambda _: None
    )
    return wire.requests


async def an_internal_url_is_not_called(database: str) -> bool:
    return not await requests_for(database, results.claim(), INSIDE)


async def an_endpoints_header_adds_no_line(database: str) -> bool:
    return not await requests_for(database, results.claim(), headers=SMUGGLED)


async def an_events_header_adds_no_line(database: str) -> bool:
    claim = results.claim()
    assert claim.event is not None
    return not await requests_for(database, claim._replace(event=claim.event._replace(headers=SMUGGLED)))


def unchecked(headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(headers.items())


async def no_socket_is_made_for_an_internal_address(_: str) -> bool:
    return is_refused("169.254.169.254")


async def no_socket_is_made_for_an_address_of_this_host(_: str) -> bool:
    with pytest.MonkeyPatch.context() as host:
        host.setattr(guard, "read_own_addresses", lambda _: frozenset({"8.8.8.8"}))
        return is_refused("8.8.8.8")


def is_refused(address: str) -> bool:
    try:
        GuardedSocketFactory(AddressPolicy())(addr_info(address, 80)).close()
    except AddressRefused:
        return True
    return False


def addr_info(address: str, port: int) -> tuple[Any, ...]:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port))


# What comes back.


async def little_lies_unread(_: str) -> bool:
    """After much was read fast, which lets the kernel's own buffer grow."""
    policy = AddressPolicy(allow_cidrs=("127.0.0.0/8",))
    with socket.create_server(("127.0.0.1", 0)) as listening, pouring(listening) as is_stalled:
        address = listening.getsockname()
        with GuardedSocketFactory(policy)(addr_info(*address)) as made:
            made.connect(address)
            read = 0
            while read < 4_000_000:
                read += len(made.recv(262_144))
            assert is_stalled.wait(10)
            (unread,) = struct.unpack("i", fcntl.ioctl(made, termios.FIONREAD, b"\0" * 4))
    return bool(unread <= 2 * RECEIVE_BUFFER)


@contextlib.contextmanager
def pouring(listening: socket.socket) -> Iterator[threading.Event]:
    """Have a server send all that its client takes; the event is set once that is nothing any more."""
    is_stalled = threading.Event()

    def pour() -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(TimeoutError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            connection.settimeout(0.2)
            while True:
                connection.send(b"x" * 65_536)
        is_stalled.set()

    thread = threading.Thread(target=pour)
    thread.start()
    yield is_stalled
    thread.join()


def leave_the_buffer_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    factory = GuardedSocketFactory.__init__
    monkeypatch.setattr(
        GuardedSocketFactory, "__init__", lambda self, policy: factory(self, policy, receive_buffer=None)
    )


async def any_body_is_recorded(database: str) -> bool:
    return await is_recorded(database, Response(500, {}, bytes(range(256))))


async def any_header_is_recorded(database: str) -> bool:
    value = bytes(range(256)).decode("utf-8", "surrogateescape")
    return await is_recorded(database, Response(500, {"x-a": value}, b""))


async def any_failure_is_recorded(database: str) -> bool:
    return await is_recorded(database, Failure(code="protocol", message="\x00 \ud800 \udcff"))


async def is_recorded(database: str, answer: Answer) -> bool:
    """Say whether the attempt gets its row; where it gets none the event would be sent for ever."""
    session = Session(database, name="test", timeout=10.0)
    try:
        arguments = batch.columns([results.result(answer=answer)], instance=1)
        await session.fetch("record", *arguments)
    except (asyncpg.DataError, ValueError, TypeError):
        return False
    finally:
        await session.close()
    async with Application(database) as application:
        return bool(await application.fetchval("select count(*) > 0 from relay.attempt"))


def as_it_is(text: str) -> str:
    return text


async def a_wish_for_years_is_one_for_a_day(_: str) -> bool:
    answer = Response(503, {"retry-after": "99999999"}, b"")
    outcome = verdict.judge(answer, results.claim(), Schedule(), started=0.0, ended=1.0, random=0.5)
    assert isinstance(outcome, Retrying)
    assert outcome.throttle is not None
    return outcome.throttle.seconds <= 24 * 3600


async def a_filter_that_takes_long_is_given_up(_: str) -> bool:
    payload = filters.parse(json.dumps([{"b": number} for number in range(2000)]))
    wanted = filters.parse(json.dumps([{"b": number} for number in range(1900, 2000)]))
    try:
        filters.contains(payload, wanted)
    except filters.NotJudged:
        return True
    return False


Attack = Callable[[str], Awaitable[bool]]
LIMITS: dict[str, tuple[Attack, Callable[[pytest.MonkeyPatch], None]]] = {
    "URL before a request": (
        an_internal_url_is_not_called,
        replaced(build, "check_url", lambda *_, **__: None),
    ),
    "headers of an endpoint": (an_endpoints_header_adds_no_line, replaced(rows, "check_headers", unchecked)),
    "headers of an event": (an_events_header_adds_no_line, replaced(compose, "check_headers", unchecked)),
    "guard": (
        no_socket_is_made_for_an_internal_address,
        replaced(GuardedSocketFactory, "_check", lambda *_: None),
    ),
    "own addresses": (
        no_socket_is_made_for_an_address_of_this_host,
        replaced(OwnAddresses, "current", lambda _: frozenset()),
    ),
    "receive buffer": (little_lies_unread, leave_the_buffer_alone),
    "body made storable": (
        any_body_is_recorded,
        replaced(batch, "body_text", lambda body: body.decode("latin-1")),
    ),
    "headers made storable": (any_header_is_recorded, replaced(texts, "storable", as_it_is)),
    "failure made storable": (any_failure_is_recorded, replaced(batch, "storable", as_it_is)),
    "wish to be left alone": (
        a_wish_for_years_is_one_for_a_day,
        replaced(verdict, "LONGEST_RETRY_AFTER", NO_LIMIT),
    ),
    "steps of a filter": (a_filter_that_takes_long_is_given_up, replaced(filters, "MOST_STEPS", NO_LIMIT)),
}


@pytest.mark.parametrize(("attack", "remove"), LIMITS.values(), ids=LIMITS)
async def test_it_holds_and_without_it_nothing_does(
    database: str,
    attack: Attack,
    remove: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await bites(Limit(partial(attack, database), remove), monkeypatch)
