"""Each limit on what a server may send: it holds against an attack, and taken out the same attack gets through."""

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientTimeout
from aiohttp.connector import Connection
from aiohttp.streams import StreamReader

from relay.http import exchange, head_first, transport
from relay.http.deadlines import Deadlines
from relay.http.head_first import HeadFirst, Message, ProtocolTrouble
from relay.http.transport import Transport
from relay.model import Answer, Failure, Response
from tests.support.lane import lane, post, response, serving
from tests.support.limits import Limit, answer_within, bites, replaced
from tests.support.receiver import After, Receiver, Reply
from tests.support.waiting import eventually

TIME = 0.2
"""Seconds of a time-out."""
NO_LIMIT = 10**9
INTERIM = b"HTTP/1.1 103 Early Hints\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
END = b"Content-Length: 0\r\n\r\n"
MUCH = 2_000_000
ZIPPED = gzip.compress(b"\0" * 100_000)


async def is_refused(wire: bytes) -> bool:
    """Say whether a response is taken for none, and at once."""
    async with Receiver() as receiver, lane() as sending:
        receiver.respond = lambda _: Reply(raw=wire)
        answer = await answer_within(sending, post(receiver.url(), timeout=TIME), TIME)
    return isinstance(answer, Failure) and answer.code == "protocol"


# Time.


def is_timed_out(answer: Answer | None) -> bool:
    return isinstance(answer, Failure) and answer.code == "timeout"


async def a_dripping_head_ends() -> bool:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(OSError):
            for byte in OK * 100:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(TIME / 4)

    async with serving(drip) as url, lane() as sending:
        return is_timed_out(await answer_within(sending, post(url, timeout=TIME), TIME))


async def a_body_that_never_comes_ends() -> bool:
    async with Receiver() as receiver, lane() as sending:
        receiver.respond = lambda _: Reply(body=b"slow", length=100, after=After.HANG)
        answer = await answer_within(sending, post(receiver.url(), timeout=TIME), 2.0)
    return isinstance(answer, Response) and answer.body == b"slow"


@contextlib.asynccontextmanager
async def nobody_accepting() -> AsyncIterator[str]:
    """Listen with a full queue, so that connections neither stand nor fail."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


async def a_connection_that_never_stands_ends() -> bool:
    async with nobody_accepting() as url, lane() as sending:
        return is_timed_out(await answer_within(sending, post(url, connect_timeout=TIME), TIME))


async def a_handshake_that_never_ends_does() -> bool:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.transport.abort()

    async with serving(say_nothing) as url, lane() as sending:
        request = post(url.replace("http:", "https:"), connect_timeout=TIME)
        return is_timed_out(await answer_within(sending, request, TIME))


def wait_for_ever(_: Transport, __: float) -> ClientTimeout:
    return ClientTimeout(total=None)


# Heads.


async def nine_interim_responses_are_refused() -> bool:
    return await is_refused(INTERIM * 9 + OK)


async def another_protocol_is_refused() -> bool:
    return await is_refused(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")


async def a_hundred_and_one_headers_are_refused() -> bool:
    return await is_refused(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 101 + END)


async def a_long_header_is_refused() -> bool:
    return await is_refused(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n" + END)


async def many_headers_just_not_long_are_refused() -> bool:
    return await is_refused(b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"x" * 8000 + b"\r\n") * 9 + END)


async def a_thousand_interim_responses_in_one_piece_are_not_all_parsed() -> bool:
    parsed = 0
    feed = HeadFirst._feed

    def count(self: HeadFirst, data: bytes) -> list[Message]:
        nonlocal parsed
        messages = feed(self, data)
        parsed += len(messages)
        return messages

    with pytest.MonkeyPatch.context() as counting:
        counting.setattr(HeadFirst, "_feed", count)
        assert await is_refused(INTERIM * 1000 + OK)
    return parsed <= head_first.MOST_INTERIM + 1


async def after_a_success_a_malformed_body_changes_nothing() -> bool:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n"
    return not await is_refused(chunked)


def take_at_once(self: HeadFirst, data: bytes) -> bool:
    """Feed a piece as aiohttp does."""
    try:
        messages = self._feed(data)
    except Exception as error:  # noqa: BLE001 - as in what it replaces
        self._break(ProtocolTrouble(str(error)))
    else:
        self._hand_on(messages[0], b"", has_more=False)
    return True


# Bodies.


async def of_a_body_in_one_piece_the_beginning_is_kept() -> bool:
    return await kept(Reply(body=b"x" * 3000)) == 1000


async def of_a_body_in_many_pieces_the_beginning_is_kept() -> bool:
    return await kept(Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500_000, after=After.CLOSE)) == 1000


async def kept(reply: Reply) -> int:
    """Return how many bytes of a body come back of the thousand that are asked for."""
    async with Receiver() as receiver, lane() as sending:
        receiver.respond = lambda _: reply
        return len(response(await sending.send(post(receiver.url(), max_response_bytes=1000))).body)


async def what_is_over_the_limit_ends_its_connection() -> bool:
    async with Receiver() as receiver, lane() as sending:
        receiver.respond = lambda _: Reply(body=b"x" * 60_000)
        request = post(receiver.url(), max_response_bytes=1000, timeout=TIME)
        answers = [await answer_within(sending, request, TIME) for _ in range(2)]
        return all(isinstance(answer, Response) for answer in answers) and receiver.connections == 2


def release(connection: Connection) -> None:
    connection.release()


async def what_is_compressed_stays_so() -> bool:
    reply = Reply(headers=(("Content-Encoding", "gzip"),), body=ZIPPED)
    async with Receiver() as receiver, lane() as sending:
        receiver.respond = lambda _: reply
        answer = await sending.send(post(receiver.url()))
    assert isinstance(answer, Response)
    return answer.body == ZIPPED


def decompress(self: HeadFirst) -> None:
    self.set_response_params(read_until_eof=True, auto_decompress=True)


async def a_body_that_nobody_reads_is_not_taken_in() -> bool:
    """While its end is waited for, a reader may be slower than a server."""
    taken: list[StreamReader] = []

    class Unhurried:
        def answered(self, _message: object, body: StreamReader) -> None:
            taken.append(body)

        def broke(self, _error: BaseException) -> None:
            pass

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * MUCH)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.transport.abort()

    loop = asyncio.get_running_loop()
    async with serving(pour) as url:
        port = int(url.split(":")[2].strip("/"))
        connected, protocol = await loop.create_connection(lambda: HeadFirst(loop), "127.0.0.1", port)
        protocol.begin(Unhurried(), b"GET / HTTP/1.1\r\n\r\n", b"")

        async def is_all_there() -> bool:
            return bool(taken) and taken[0].total_bytes >= MUCH

        is_bounded = False
        try:
            await eventually(is_all_there, "all of the body", limit=TIME)
        except AssertionError:
            is_bounded = True
        connected.abort()
    return is_bounded


LIMITS = {
    "time-out": Limit(a_dripping_head_ends, replaced(Deadlines, "begin", lambda *_: None)),
    "time of a body": Limit(a_body_that_never_comes_ends, replaced(exchange, "BODY_SECONDS", None)),
    "time to connect": Limit(
        a_connection_that_never_stands_ends, replaced(Transport, "_timeout", wait_for_ever)
    ),
    "time of a handshake": Limit(
        a_handshake_that_never_ends_does, replaced(Transport, "_timeout", wait_for_ever)
    ),
    "interim responses": Limit(
        nine_interim_responses_are_refused, replaced(head_first, "MOST_INTERIM", NO_LIMIT)
    ),
    "no other protocol": Limit(another_protocol_is_refused, replaced(head_first, "SWITCHING", 0)),
    "number of headers": Limit(
        a_hundred_and_one_headers_are_refused, replaced(head_first, "MOST_HEADERS", NO_LIMIT)
    ),
    "length of a header": Limit(a_long_header_is_refused, replaced(head_first, "MOST_LINE", 2**20)),
    "length of a head": Limit(
        many_headers_just_not_long_are_refused, replaced(head_first, "MOST_HEAD", NO_LIMIT)
    ),
    "one head at a time": Limit(
        a_thousand_interim_responses_in_one_piece_are_not_all_parsed,
        replaced(head_first, "_END", b"\0 never \0"),
    ),
    "the status decides": Limit(
        after_a_success_a_malformed_body_changes_nothing, replaced(HeadFirst, "_take_whole", take_at_once)
    ),
    "body in one piece": Limit(
        of_a_body_in_one_piece_the_beginning_is_kept,
        replaced(exchange, "_whole", lambda body, _, whole=exchange._whole: whole(body, NO_LIMIT)),
    ),
    "body in many pieces": Limit(
        of_a_body_in_many_pieces_the_beginning_is_kept,
        replaced(transport, "rest_of", lambda body, _: exchange.rest_of(body, NO_LIMIT)),
    ),
    "closed after that": Limit(
        what_is_over_the_limit_ends_its_connection, replaced(exchange, "_abort", release)
    ),
    "no decompression": Limit(what_is_compressed_stays_so, replaced(HeadFirst, "_renew_parser", decompress)),
    "read buffer": Limit(
        a_body_that_nobody_reads_is_not_taken_in, replaced(head_first, "READ_BUFFER", NO_LIMIT)
    ),
}


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
async def test_it_holds_and_without_it_nothing_does(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    await bites(limit, monkeypatch)
