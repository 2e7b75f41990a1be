"""What a sink kept of the requests it got, as it writes it down: see `sink.c`."""

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

RECORD = struct.Struct("=16sQIHH")
"""Event id, nanoseconds (CLOCK_MONOTONIC) of the first byte, endpoint, status (0: never answered), reused or not."""
CAPTURED = struct.Struct("=II")
"""Length and endpoint, before the bytes of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One request.

    Attributes:
        event_id: From X-Webhook-Id.
        first_ns: When its first byte came, by CLOCK_MONOTONIC.
        endpoint: The number in the path.
        status: What it was answered; 0 if it is left without an answer.
        reused: Whether its connection had carried another one before.
    """

    event_id: UUID
    first_ns: int
    endpoint: int
    status: int
    reused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One request, whole."""

    endpoint: int
    headers: dict[str, str]
    body: bytes


def read_receipts(path: Path) -> Iterator[Receipt]:
    """Read the file that the command `dump` wrote, in the order of arrival."""
    for event_id, first_ns, endpoint, status, reused in RECORD.iter_unpack(path.read_bytes()):
        yield Receipt(
            event_id=UUID(bytes=event_id),
            first_ns=first_ns,
            endpoint=endpoint,
            status=status,
            reused=bool(reused),
        )


def reused_share(receipts: Collection[Receipt]) -> float:
    """Return the part of these requests that came on a connection that had carried another one before."""
    return sum(each.reused for each in receipts) / len(receipts)


def read_captured(path: Path) -> Iterator[Captured]:
    """Read the requests that were captured, as far as they are written whole."""
    content = path.read_bytes()
    start = 0
    while start + CAPTURED.size <= len(content):
        length, endpoint = CAPTURED.unpack_from(content, start)
        start += CAPTURED.size
        if start + length > len(content):
            return
        yield _parsed(content[start : start + length], endpoint)
        start += length


def _parsed(request: bytes, endpoint: int) -> Captured:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:]
    headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Captured(endpoint=endpoint, headers=headers, body=body)
