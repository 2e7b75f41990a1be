"""Lists in pages: each ends with a cursor that leads to the next, and no page takes longer than people wait.

A filter may match one row in a million, and not every filter has an index. So a page looks at a few rows, then at ever
more, and when its time is over it is returned as it is: shorter than asked for, or empty, with a cursor from where the
next one goes on looking. Only a page without a cursor is the last.
"""

import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import asyncpg

from relay.admin.operations.errors import InvalidInput

BUDGET = 0.1
"""Seconds after which a page does not begin another look."""
LONGEST_LOOK = 16_384
"""Rows that one look may have; what it takes has to be small beside a person's patience."""
_GROWTH = 4
_LONGEST_CURSOR = 300
_END_OF_BIGINT = 2**63

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """A part of a list.

    Attributes:
        items: In the order of the list; may be fewer than were asked for, or none.
        next_cursor: Where the next page begins; None: there is none.
    """

    items: tuple[Item, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How much one look may see and find.

    Attributes:
        rows: So many are looked at, at most.
        number: So many that match are returned, at most.
    """

    rows: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look found.

    Attributes:
        found: The rows that match, in order.
        reached: The last row that was looked at; None: there are no more.
    """

    found: Sequence[asyncpg.Record]
    reached: asyncpg.Record | None


def seen_in(rows: Sequence[asyncpg.Record], *, key: str, reached: str) -> Seen:
    """Return what the rows of a look say; there is one at least, if only to say what was reached.

    Args:
        rows: As the statement returned them.
        key: The column that is null in a row of which nothing matches.
        reached: The column that is null where there are no more.
    """
    return Seen(
        found=[row for row in rows if row[key] is not None],
        reached=None if rows[0][reached] is None else rows[0],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What the looks for one page found together.

    Attributes:
        found: The rows of the page, in order.
        reached: The last row that was looked at; None: there are no more.
        is_full: There are more rows that match: the next page begins after the last of these.
    """

    found: Sequence[asyncpg.Record]
    reached: asyncpg.Record | None
    is_full: bool


async def look_through(
    look: Callable[[asyncpg.Record | None, Look], Awaitable[Seen]],
    *,
    limit: int,
    clock: Callable[[], float] = time.monotonic,
) -> Swept:
    """Look at ever more rows until a page is full, the list is at its end, or the time is over.

    Args:
        look: Looks on after the row that it is given; None: from where the page begins.
        limit: How many rows the page takes.
        clock: Tells seconds.

    Returns:
        The rows of the page.
    """
    began = clock()
    deadline = began + BUDGET
    found: list[asyncpg.Record] = []
    after: asyncpg.Record | None = None
    rows = limit + 1
    while True:
        # One more than the page takes tells whether there is a next one.
        seen = await look(after, Look(rows=rows, number=limit + 1 - len(found)))
        found += seen.found
        if len(found) > limit:
            return Swept(found=found[:limit], reached=seen.reached, is_full=True)
        began, took = clock(), clock() - began
        if seen.reached is None or began >= deadline:
            return Swept(found=found, reached=seen.reached, is_full=False)
        after, rows = seen.reached, _next_size(rows, took, deadline - began, least=limit + 1)


def _next_size(rows: int, took: float, left: float, *, least: int) -> int:
    """Return how many rows the next look may have, by what the last one took, so that it ends in time."""
    in_time = int(rows * left / max(took, 1e-6))
    return max(min(rows * _GROWTH, in_time, LONGEST_LOOK), least)


def to_cursor(*parts: object) -> str:
    """Return a cursor that says these, which programs pass on and do not read."""
    text = "/".join(str(part) for part in parts)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def from_cursor(cursor: str, *kinds: Callable[[str], Any]) -> list[Any]:
    """Return what a cursor says, each part read by its kind.

    Raises:
        InvalidInput: It is none of this list.
    """
    if len(cursor) > _LONGEST_CURSOR:
        raise no_cursor()
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split("/")
        return [kind(part) for kind, part in zip(kinds, parts, strict=True)]
    except (ValueError, binascii.Error):
        raise no_cursor() from None


def number_of(text: str) -> int:
    """Read an id that is a number.

    Raises:
        ValueError: It is none.
    """
    number = int(text)
    if not 0 <= number < _END_OF_BIGINT:
        raise ValueError(text)
    return number


def no_cursor() -> InvalidInput:
    """Return why a cursor cannot be used."""
    return InvalidInput(
        "cursor is none that this list gave, or where it leads to is gone; leave it out to begin anew"
    )
