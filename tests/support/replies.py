"""What a scripted receiver got, and what it is to answer."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import cached_property
from http import HTTPStatus
from http.client import responses

Header = tuple[str, str]


class After(StrEnum):
    """What becomes of the connection after an answer."""

    KEEP = auto()
    CLOSE = auto()
    HANG = auto()
    """The connection stays, but nothing is read or sent any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer.

    Attributes:
        status: None closes the connection, or keeps silent, without an answer.
        delay: Seconds before anything is sent; the request is open so long.
        length: Value of Content-Length; None is the body's own.
        raw: These bytes are sent instead, whatever they are; `status` is then only for the books.
    """

    status: int | None = 200
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    delay: float = 0.0
    length: int | None = None
    raw: bytes | None = None
    after: After = After.KEEP

    def wire(self) -> bytes:
        """Return the bytes of the answer."""
        if self.raw is not None or self.status is None:
            return self.raw or b""
        reason = responses.get(self.status, "Made up")
        length = len(self.body) if self.length is None else self.length
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{n}: {v}" for n, v in self.headers)]
        if self.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            lines.append(f"Content-Length: {length}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


HANG_UP = Reply(status=None, after=After.CLOSE)
"""Takes the request and closes the connection without a byte."""
SILENCE = Reply(status=None, after=After.HANG)
"""Takes the request and never answers."""


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request, as it came off the socket.

    Attributes:
        head: Everything up to and with the empty line.
        at: Monotonic time at which its last byte had come.
        wall: The same as Unix time.
        number: Counts the requests of the receiver, from 1.
        connection: Counts its connections, from 1.
        on_connection: Counts the requests of that connection, from 1.
    """

    head: bytes
    body: bytes
    at: float
    wall: float
    number: int
    connection: int
    on_connection: int

    @cached_property
    def request_line(self) -> str:
        return self.head.partition(b"\r\n")[0].decode("latin-1")

    @property
    def path(self) -> str:
        """The target of the request, with its query."""
        return self.request_line.split(" ")[1]

    @cached_property
    def headers(self) -> tuple[Header, ...]:
        """All headers in their order, names as they came."""
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        parts = (line.partition(": ") for line in lines)
        return tuple((name, value) for name, _, value in parts)

    def header(self, name: str) -> str:
        """Return the one header of that name.

        Raises:
            AssertionError: There is none, or several.
        """
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) == 1, f"{len(values)} headers {name} in {self.head!r}"
        return values[0]

    @property
    def event_id(self) -> str:
        return self.header("X-Webhook-Id")

    @property
    def attempt(self) -> int:
        return int(self.header("X-Webhook-Attempt"))


Script = Callable[[Received], Reply]
