"""What goes over the wire, and over which connection; aiohttp's session is the reference."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from relay.http.transport import Transport
from tests.support.certificates import make_certificate, server_side
from tests.support.lane import Loopback, detour, failure, lane, post, response
from tests.support.receiver import HANG_UP, After, Received, Receiver, Reply
from tests.support.waiting import eventually

PUSHED = b"HTTP/1.1 299 Pushed\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.test/a",
        "http://hook.test:80/a",
        "http://hook.test:8080/a",
        "http://hook.test:443/a",
        "http://127.0.0.1:9/a",
        "http://[2001:db8::1]/a",
        "http://[2001:db8::1]:8080/a",
        "http://hook.test",
        "http://hook.test?a=b",
        "http://hook.test/?",
        "http://hook.test/a/../b//c;d?x=1&y=a+b&z=",
        "http://hook.test/%7Euser/%2F%20%c3%a4?q=%26%2b%20%C3%A4",
        "http://HOOK.test/Case",
        "http://hook.test/a#fragment",
    ],
)
async def test_a_request_looks_as_the_reference_makes_it(url: str) -> None:
    async with Receiver() as receiver:
        factory = detour(receiver.port)
        body = b'{"a": "\xc3\xa4"}'
        async with lane(socket_factory=factory) as transport:
            response(await transport.send(post(url, body=body)))
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Loopback(), socket_factory=factory)
        ) as session:
            (await session.post(URL(url, encoded=True), data=body)).close()

    ours, reference = receiver.received
    assert ours.request_line == reference.request_line
    for name in ("Host", "Content-Length"):
        assert ours.header(name) == reference.header(name)
    assert ours.body == reference.body == body


async def test_nothing_is_added_but_host_and_content_length() -> None:
    async with Receiver() as receiver, lane() as transport:
        await transport.send(
            post(receiver.url("/hook"), body=b"", headers=(("X-One", "1"), ("X-Two", "zwö")))
        )

    assert (
        receiver.received[0].head
        == (
            f"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:{receiver.port}\r\nX-One: 1\r\nX-Two: zwö\r\n"
            "Content-Length: 0\r\n\r\n"
        ).encode()
    )


async def test_a_response_comes_back_as_it_was_sent() -> None:
    reply = Reply(status=302, headers=(("Location", "/else"), ("X-A", "1"), ("X-A", "2")), body=b"moved")
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: reply
        answer = response(await transport.send(post(receiver.url())))

    assert (answer.status, answer.body) == (302, b"moved")
    assert (answer.headers["location"], answer.headers["x-a"]) == ("/else", "2")
    assert len(receiver.received) == 1, "the redirect was followed"


@pytest.mark.parametrize("status", [200, 204, 304, 404, 500])
async def test_the_second_request_takes_the_first_ones_connection(status: int) -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(status=status)
        for _ in range(2):
            assert response(await transport.send(post(receiver.url()))).status == status

        assert [each.on_connection for each in receiver.received] == [1, 2]


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + PUSHED,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nrubbish",
    ],
)
async def test_a_connection_that_must_not_be_reused_is_not(wire: bytes) -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(raw=wire)
        for _ in range(2):
            response(await transport.send(post(receiver.url())))

        assert [each.connection for each in receiver.received] == [1, 2]


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_the_beginning_of_another_response_does_not_swallow_the_next_one(first: bytes) -> None:
    """Else a refusal would be taken for a header of it, and the event for delivered."""
    stray = b"HTTP/1.1 200 OK\r\nX-Foo: "
    refusal = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"

    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda each: Reply(raw=first + stray if each.on_connection == 1 else refusal)
        await transport.send(post(receiver.url()))
        receiver.respond = lambda _: Reply(raw=refusal)
        assert response(await transport.send(post(receiver.url()))).status == 500


async def test_sending_again_leaves_the_other_idle_connections_in_the_pool() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.hold()
        first = [asyncio.create_task(transport.send(post(receiver.url()))) for _ in range(10)]
        await receiver.wait_for_open(10)
        receiver.release()
        await asyncio.gather(*first)
        receiver.respond = lambda each: HANG_UP if each.on_connection > 1 else Reply()
        assert response(await transport.send(post(receiver.url()))).status == 200

        assert sum(len(pool) for pool in transport._connector._conns.values()) == 10


async def test_a_body_larger_than_what_is_read_does_not_stop_up_its_connection() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(body=b"x" * 60_000)
        for _ in range(3):
            answer = response(await transport.send(post(receiver.url(), max_response_bytes=1000, timeout=2)))
            assert answer.body == b"x" * 1000


async def test_a_connection_whose_request_is_not_all_written_is_not_reused() -> None:
    """A server may answer before it has read everything, and read no more."""
    held: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=4096)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with lane() as transport:
        for _ in range(2):
            answer = await transport.send(post(url, body=b"x" * 50_000_000, timeout=3))
            assert response(answer).status == 413
        for writer in held:
            writer.transport.abort()
        server.close()
        await server.wait_closed()
    assert len(held) == 2


async def test_a_reused_connection_closed_before_any_byte_is_sent_again_on_a_fresh_one() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda each: HANG_UP if each.on_connection > 1 else Reply()
        for _ in range(2):
            assert response(await transport.send(post(receiver.url()))).status == 200

        assert [(each.connection, each.on_connection) for each in receiver.received] == [
            (1, 1),
            (1, 2),
            (2, 1),
        ]


@pytest.mark.parametrize("others", [1, 5])
async def test_sending_again_happens_once_however_many_connections_are_idle(others: int) -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.hold()
        first = [asyncio.create_task(transport.send(post(receiver.url()))) for _ in range(others)]
        await receiver.wait_for_open(others)
        receiver.release()
        await asyncio.gather(*first)
        receiver.respond = lambda _: HANG_UP
        assert failure(await transport.send(post(receiver.url()))).code == "reset"

        assert len(receiver.received) == others + 2


async def test_a_fresh_connection_closed_before_any_byte_is_not_sent_again() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: HANG_UP
        assert failure(await transport.send(post(receiver.url()))).code == "reset"

        assert len(receiver.received) == 1


@pytest.mark.parametrize(
    "part",
    [b"H", b"HTTP/1.1 200 OK\r\nX-A", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\n\r\nHTT"],
)
@pytest.mark.parametrize("is_reset", [False, True])
async def test_after_a_part_of_a_response_nothing_is_sent_again(part: bytes, is_reset: bool) -> None:
    def respond(request: Received) -> Reply:
        if request.on_connection == 1:
            return Reply()
        return Reply(raw=part, after=After.HANG if is_reset else After.CLOSE)

    async with Receiver() as receiver, lane() as transport:
        receiver.respond = respond
        await transport.send(post(receiver.url()))
        sending = asyncio.create_task(transport.send(post(receiver.url())))
        if is_reset:
            await receiver.wait_for_requests(2)
            await until_received(transport)
            receiver.cut()
        failure(await sending)

        assert len(receiver.received) == 2


async def test_a_pushed_response_never_answers_the_next_request() -> None:
    """Neither one that was read while the connection was idle, nor one that the kernel still has."""
    async with Receiver() as receiver, lane() as transport:
        for number in range(1000):
            assert response(await transport.send(post(receiver.url()))).status == 200
            for connection in receiver._living:
                connection._transport.write(PUSHED)
            if number % 2:
                await until_received(transport, idle=True)
        assert response(await transport.send(post(receiver.url()))).status == 200


async def test_a_connection_found_closed_is_not_written_to() -> None:
    async with Receiver() as receiver, lane() as transport:
        for count in range(1, 11):
            await transport.send(post(receiver.url()))
            receiver.cut()
            assert len(receiver.received) == count

        assert receiver.connections == 10


async def test_five_hundred_requests_at_once_are_all_answered() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda each: Reply(body=each.body)
        bodies = [str(number).encode() for number in range(500)]
        answers = await asyncio.gather(*(transport.send(post(receiver.url(), body=body)) for body in bodies))

        assert [response(answer).body for answer in answers] == bodies
        assert not transport._deadlines._by_timeout.get(10.0)


async def test_tls_is_verified_with_the_given_certificates(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with Receiver(tls=server_side(certificate)) as receiver:
        async with lane(tls=trusting) as transport:
            for _ in range(2):
                assert response(await transport.send(post(receiver.url()))).status == 200
            assert receiver.connections == 1

        async with lane() as transport:
            assert failure(await transport.send(post(receiver.url()))).code == "tls"
    assert len(receiver.received) == 2


async def until_received(transport: Transport, *, idle: bool = False) -> None:
    """Wait until each connection of the transport has received something since its last request."""
    connector = transport._connector

    async def has_received() -> bool:
        if idle:
            return all(each.should_close for pool in connector._conns.values() for each, _ in pool)
        return all(getattr(each, "has_received", False) for each in connector._acquired)

    await eventually(has_received, "something received")
