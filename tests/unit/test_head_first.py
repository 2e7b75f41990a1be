"""How much of a head is taken, piece by piece as it comes."""

import asyncio

import pytest
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader

from relay.http.head_first import MOST_HEAD, HeadFirst

START = b"HTTP/1.1 200 OK\r\n"
PIECE = (b"X: " + b"x" * 4000 + b"\r\n") * 4
END = b"Content-Length: 0\r\n\r\n"
PUSHED = b"HTTP/1.1 299 Pushed\r\n" + END


class Wire(asyncio.Transport):
    """Writes nothing, and notes its end."""

    is_aborted = False

    def write(self, data: object) -> None:
        pass

    def abort(self) -> None:
        self.is_aborted = True


class Asking:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.error: BaseException | None = None

    def answered(self, message: RawResponseMessage, _: StreamReader) -> None:
        self.status = message.code

    def broke(self, error: BaseException) -> None:
        self.error = error


async def asked() -> tuple[HeadFirst, Asking, Wire]:
    protocol, asking, wire = HeadFirst(asyncio.get_running_loop()), Asking(), Wire()
    protocol.connection_made(wire)
    protocol.begin(asking, b"POST / HTTP/1.1\r\n\r\n", b"")
    return protocol, asking, wire


@pytest.mark.parametrize("start", [START, b"HTTP/1.1 500 No\r\n", b"HTTP/1.1 103 Hints\r\n\r\n" + START])
async def test_a_head_is_counted_from_its_first_piece_on(start: bytes) -> None:
    protocol, asking, wire = await asked()
    assert len(PIECE) * 2 < MOST_HEAD < len(PIECE) * 2 + len(START) + 4096

    protocol.data_received(start + PIECE)
    protocol.data_received(PIECE)
    assert asking.error is None
    protocol.data_received(PIECE[: MOST_HEAD - 2 * len(PIECE)])

    assert "longer than" in str(asking.error)
    assert wire.is_aborted


async def test_what_came_before_a_request_is_not_counted_for_it() -> None:
    protocol, asking, _ = await asked()
    for _number in range(3):
        protocol.begin(asking, b"POST / HTTP/1.1\r\n\r\n", b"")
        protocol.data_received(START + PIECE)
        protocol.data_received(END)
        assert (asking.status, asking.error) == (200, None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (START + b"Content-Length: 0\r\n\r", b"\n" + PUSHED),
        (START + b"Content-Length: 4\r\n\r\nab", b"cd" + PUSHED),
        (START + END + PUSHED, b""),
        (START + END, PUSHED),
    ],
    ids=["the head in pieces", "the body in pieces", "in one piece", "later"],
)
async def test_a_response_behind_another_ends_the_connection(first: bytes, second: bytes) -> None:
    protocol, asking, _ = await asked()
    protocol.data_received(first)
    protocol.data_received(second)

    assert asking.status == 200
    assert protocol.should_close
