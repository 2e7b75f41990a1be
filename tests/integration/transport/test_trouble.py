"""What becomes of requests to servers that are slow, silent, broken or hostile."""

import asyncio
import contextlib
import socket
import time

import pytest

from relay.http import exchange
from relay.http.dns import make_resolver
from relay.model import Answer
from tests.support.lane import failure, lane, post, response, serving
from tests.support.receiver import SILENCE, After, Receiver, Reply

INTERIM = b"HTTP/1.1 103 Early Hints\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FAT = b"X: " + b"x" * 8000 + b"\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "wire",
    [
        INTERIM * 9 + OK,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46" * 3,
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n" + FAT * 9 + b"\r\n",
        b"HTTP/1.1 500 No\r\n" + FAT * 9 + b"\r\n",
        b"HTTP/1.1 103 Early Hints\r\n" + FAT * 3 + b"\r\nHTTP/1.1 200 OK\r\n" + FAT * 6 + b"\r\n",
    ],
)
async def test_what_is_no_response_is_a_protocol_failure(wire: bytes) -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(raw=wire)
        assert failure(await transport.send(post(receiver.url()))).code == "protocol"

        await receiver.wait_for(lambda: not receiver._living, "its connection closed")


@pytest.mark.parametrize(
    "wire",
    [
        INTERIM * 8 + OK,
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 90 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n" + FAT * 4 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n" + FAT * 2 + b"\r\n" + b"x" * 100_000,
        b"HTTP/1.1 500 No\r\n" + FAT * 2 + b"\r\n" + b"x" * 100_000,
    ],
)
async def test_what_is_just_within_the_limits_is_taken(wire: bytes) -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(raw=wire, after=After.CLOSE)
        assert response(await transport.send(post(receiver.url()))).status in {200, 500}


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_a_response_in_small_pieces_is_put_together(size: int) -> None:
    wire = INTERIM + CHUNKED + b"2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nTrailer: 1\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n{}")
            for start in range(0, len(wire), size):
                writer.write(wire[start : start + size])
                await asyncio.sleep(0)
        assert await reader.read() == b""
        writer.close()

    async with serving(serve) as url, lane() as transport:
        for _ in range(2):
            assert response(await transport.send(post(url))).body == b"abcde"


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (CHUNKED + b"zzz\r\n", b""),
        (CHUNKED + b"2\r\nokMORE\r\n", b"ok"),
        (CHUNKED + b"2\r\nok\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (INTERIM + CHUNKED + b"zzz\r\n", b""),
    ],
)
async def test_whatever_is_wrong_with_the_body_the_status_counts(wire: bytes, body: bytes) -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(raw=wire, after=After.CLOSE)
        answer = response(await transport.send(post(receiver.url())))

    assert answer.status == 200
    assert body.startswith(answer.body)
    assert len(receiver.received) == 1


async def test_of_an_endless_body_no_more_than_the_limit_is_taken_and_the_connection_is_closed() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"x" * 10_000)
                await writer.drain()
        writer.transport.abort()
        ended.set()

    async with serving(serve) as url, lane() as transport, asyncio.timeout(5):
        answer = response(await transport.send(post(url, max_response_bytes=70_000)))
        assert (answer.status, answer.body) == (200, b"x" * 70_000)
        await ended.wait()


async def test_a_slow_body_has_its_own_limit_and_the_status_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "BODY_SECONDS", 0.3)
    reply = Reply(body=b"slow", length=100, after=After.HANG)
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: reply
        began = time.monotonic()
        answer = response(await transport.send(post(receiver.url(), timeout=0.15)))

        assert (answer.status, answer.body) == (200, b"slow")
        assert 0.25 < time.monotonic() - began < 0.8
        await receiver.wait_for(lambda: not receiver._living, "its connection closed")


async def test_silence_instead_of_an_answer_ends_at_the_time_out() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: SILENCE
        began = time.monotonic()
        assert failure(await transport.send(post(receiver.url(), timeout=0.3))).code == "timeout"

        assert 0.3 <= time.monotonic() - began < 0.8
        await receiver.wait_for(lambda: not receiver._living, "its connection closed")


@pytest.mark.parametrize(("timeout", "connect_timeout"), [(5.0, 0.3), (0.3, 5.0)])
async def test_silence_instead_of_a_connection_ends_at_either_time_out(
    timeout: float,  # noqa: ASYNC109 - it is what is tested
    connect_timeout: float,
) -> None:
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        async with lane() as transport:
            began = time.monotonic()
            answer = await transport.send(post(url, timeout=timeout, connect_timeout=connect_timeout))

            assert failure(answer).code == "timeout"
            assert 0.29 <= time.monotonic() - began < 0.8  # a loop counts in whole milliseconds


async def test_a_port_where_nobody_listens_is_a_connect_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with lane() as transport:
            answer = failure(await transport.send(post(f"http://127.0.0.1:{taken.getsockname()[1]}/")))

    assert (answer.code, answer.is_own_fault) == ("connect", False)


@pytest.mark.parametrize("when", ["accepted", "read"])
async def test_a_connection_cut_at_once_is_a_reset(when: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if when == "read":
            await reader.readuntil(b"\r\n\r\n{}")
        writer.transport.abort()

    async with serving(serve) as url, lane() as transport:
        for _ in range(50):
            assert failure(await transport.send(post(url))).code == "reset"


async def test_a_cancelled_request_closes_its_connection_and_stays_cancelled() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: SILENCE
        sending = asyncio.create_task(transport.send(post(receiver.url())))
        await receiver.wait_for_requests(1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

        await receiver.wait_for(lambda: not receiver._living, "its connection closed")
        assert not transport._connector._acquired


async def test_a_time_out_leaves_its_task_as_if_never_cancelled() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: SILENCE
        answer = await transport.send(post(receiver.url(), timeout=0.1))
        task = asyncio.current_task()

        assert failure(answer).code == "timeout"
        assert task is not None
        assert task.cancelling() == 0


async def test_what_is_cut_off_after_its_status_came_is_answered_with_it() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: Reply(body=b"slow", length=100, after=After.HANG)
        answers: list[Answer | None] = []
        transport.start(post(receiver.url()), answers.append)
        exchange = next(iter(transport._open))
        await receiver.wait_for(lambda: exchange._answer is not None, "the head came")
        transport.cut_off()

        assert [response(answer).status for answer in answers if answer is not None] == [200]
        await receiver.wait_for(lambda: not receiver._living, "its connection closed")


async def test_what_is_cut_off_before_is_not_answered() -> None:
    async with Receiver() as receiver, lane() as transport:
        receiver.respond = lambda _: SILENCE
        answers: list[Answer | None] = []
        transport.start(post(receiver.url()), answers.append)
        await receiver.wait_for_requests(1)
        transport.cut_off()
        transport.cut_off()

        assert answers == [None]
        await receiver.wait_for(lambda: not receiver._living, "its connection closed")


async def test_a_server_of_another_protocol_that_speaks_first_is_a_protocol_failure() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await reader.read()
        writer.close()

    async with serving(serve) as url, lane() as transport:
        for _ in range(20):
            assert failure(await transport.send(post(url))).code == "protocol"


@pytest.mark.parametrize("seconds", [0.15, 5.0], ids=["before the resolver gives up", "after"])
async def test_while_no_name_server_answers_it_is_our_own_fault(seconds: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        silent = f"127.0.0.1:{nobody.getsockname()[1]}"
        resolver = make_resolver(lambda _: None, nameservers=[silent], timeout=0.1, tries=1)
        async with lane(resolver=resolver) as transport:
            first = failure(await transport.send(post("http://one.test/")))
            later = failure(await transport.send(post("http://two.test/", timeout=seconds)))

    assert (first.code, first.is_own_fault) == ("dns", True)
    assert later.is_own_fault
