"""The request lane against real servers, with aiohttp's own session as the reference for what it leans on."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from relay.http.addresses import AddressPolicy
from relay.http.dns import make_resolver
from relay.http.guard import GuardedSocketFactory
from relay.http.head_first import MOST_INTERIM
from relay.http.transport import BODY_SECONDS, Transport
from relay.model import Answer, Failure, Request, Response
from tests.support.receiver import HANG_UP, SILENCE, After, Receiver, Reply

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
FEW = 10
"""Descriptors that the resolver's library may keep for a while; there were hundreds of connections."""
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def lane(tls: ssl.SSLContext | None = None) -> AsyncIterator[Transport]:
    guard = GuardedSocketFactory(AddressPolicy(allow_cidrs=("127.0.0.0/8", "::1/128")))
    context = tls or ssl.create_default_context()
    async with Transport(socket_factory=guard, resolver=make_resolver(guard.refuse), tls=context) as made:
        yield made


def request(url: str, **changes: object) -> Request:
    values: dict[str, object] = {
        "url": url,
        "headers": (("User-Agent", "Relay"), ("Content-Type", "application/json")),
        "body": b'{"id": 1}',
        "timeout": 5.0,
        "connect_timeout": 2.0,
        "max_response_bytes": 1000,
        **changes,
    }
    return Request(**values)  # type: ignore[arg-type] # a test says which of them it changes


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def status(answer: Answer) -> int | None:
    return answer.status if isinstance(answer, Response) else None


@pytest.mark.parametrize("target", ["", "/", "/hook", "/a%20b/%C3%A9?x=1&y=a%2Bb", "/?q", "//double//"])
async def test_a_request_has_the_line_and_the_host_that_a_session_would_send(target: str) -> None:
    async with Receiver() as receiver, lane() as transport, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{receiver.port}{target}"
        assert status(await transport.send(request(url))) == 200
        async with session.post(URL(url, encoded=True), data=b'{"id": 1}') as reference:
            assert reference.status == 200

        ours, theirs = receiver.received

    assert ours.request_line == theirs.request_line
    assert ours.header("Host") == theirs.header("Host")
    assert ours.header("Content-Length") == theirs.header("Content-Length") == "9"
    assert ours.body == theirs.body
    names = [name.lower() for name, _ in ours.headers]
    assert sorted(names) == ["content-length", "content-type", "host", "user-agent"]


async def test_a_connection_is_used_again_unless_the_server_closes_it() -> None:
    async with Receiver() as receiver, lane() as transport:
        for _ in range(3):
            await transport.send(request(receiver.url()))
        receiver.respond = lambda _: Reply(headers=(("Connection", "close"),), after=After.CLOSE)
        for _ in range(2):
            assert status(await transport.send(request(receiver.url()))) == 200

        assert [one.connection for one in receiver.received] == [1, 1, 1, 1, 2]


async def test_a_used_connection_that_closes_before_any_byte_has_its_request_sent_once_more() -> None:
    async with Receiver() as receiver, lane() as transport:
        await transport.send(request(receiver.url()))
        receiver.respond = lambda one: HANG_UP if one.on_connection > 1 else Reply()

        answer = await transport.send(request(receiver.url()))

        assert status(answer) == 200
        assert [one.on_connection for one in receiver.received] == [1, 2, 1]


async def test_a_new_connection_that_closes_is_a_failure_and_nothing_is_sent_again() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: HANG_UP

        answer = await transport.send(request(receiver.url()))

        assert isinstance(answer, Failure)
        assert answer.code == "reset"
        assert len(receiver.received) == 1


async def test_a_response_that_had_begun_is_not_asked_for_again() -> None:
    async with Receiver() as receiver, lane() as transport:
        await transport.send(request(receiver.url()))
        receiver.respond = lambda _: Reply(raw=b"HTTP/1.1 200 OK\r\nX-", after=After.CLOSE)

        answer = await transport.send(request(receiver.url()))

        assert isinstance(answer, Failure)
        assert answer.code == "protocol"
        assert len(receiver.received) == 2


async def test_a_response_pushed_onto_an_idle_connection_never_answers_the_next_request() -> None:
    pushed = b"HTTP/1.1 299 Poison\r\nContent-Length: 0\r\n\r\n"
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(raw=FINE + pushed)
        for _ in range(100):
            assert status(await transport.send(request(receiver.url()))) == 200

        assert len(receiver.received) == 100


@pytest.mark.parametrize(
    "raw",
    [
        INTERIM * (MOST_INTERIM + 1) + FINE,
        INTERIM * 100_000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"\xff\xfe\x00garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    ],
    ids=["interim", "flood", "switch", "garbage", "long header", "many headers"],
)
async def test_what_is_no_response_is_a_protocol_failure(raw: bytes) -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(raw=raw)
        began = time.monotonic()

        answer = await transport.send(request(receiver.url()))

        assert isinstance(answer, Failure)
        assert answer.code == "protocol"
        assert time.monotonic() - began < 1.0


async def test_a_few_interim_responses_are_passed_over() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(raw=INTERIM * MOST_INTERIM + FINE)

        answer = await transport.send(request(receiver.url()))

        assert isinstance(answer, Response)
        assert (answer.status, answer.body) == (200, b"ok")


async def test_of_a_long_body_the_beginning_is_read_and_the_connection_is_not_used_again() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(body=b"x" * 1_000_000)
        answers = [await transport.send(request(receiver.url())) for _ in range(2)]

        assert all(isinstance(answer, Response) and answer.body == b"x" * 1000 for answer in answers)
        assert [one.connection for one in receiver.received] == [1, 2]


async def test_a_body_that_never_ends_costs_its_own_time_and_keeps_its_status() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(body=b"half", length=100, after=After.HANG)
        began = time.monotonic()

        answer = await transport.send(request(receiver.url()))

        assert isinstance(answer, Response)
        assert (answer.status, answer.body) == (200, b"half")
        assert time.monotonic() - began < BODY_SECONDS + 0.5


async def test_a_malformed_body_after_its_head_keeps_the_status() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(
            raw=b"HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense"
        )
        assert status(await transport.send(request(receiver.url()))) == 204


async def test_silence_ends_at_the_time_out() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: SILENCE
        began = time.monotonic()

        answer = await transport.send(request(receiver.url(), timeout=0.5))

        assert isinstance(answer, Failure)
        assert answer.code == "timeout"
        assert 0.5 <= time.monotonic() - began < 1.0


async def test_a_request_that_is_cancelled_closes_its_connection() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: SILENCE
        sending = asyncio.create_task(transport.send(request(receiver.url())))
        await receiver.wait_for_requests(1)

        sending.cancel()

        with pytest.raises(asyncio.CancelledError):
            await sending
        receiver.respond = lambda _: Reply()
        assert status(await transport.send(request(receiver.url()))) == 200
        assert receiver.received[-1].connection == 2


async def test_many_requests_at_once_are_all_answered_and_leave_no_connection_behind() -> None:
    before = descriptors()
    async with Receiver() as receiver, lane() as transport:
        answers = await asyncio.gather(*(transport.send(request(receiver.url())) for _ in range(300)))

        assert {status(answer) for answer in answers} == {200}
    await asyncio.sleep(0)

    assert descriptors() <= before + FEW
