"""Lists of endpoints, page by page, and how endpoints do."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

import asyncpg

from relay.admin.operations.endpoint_values import EndpointDetails, endpoint_of
from relay.admin.operations.errors import NotFound
from relay.admin.operations.inputs import check_texts
from relay.admin.operations.paging import Page, from_cursor, to_cursor
from relay.store.session import Session

MOST_BLOCKS = 1000
"""Of the table of deliveries that are read; if it has more, counts are estimates."""
MOST_ATTEMPTS = 20_000
"""That are looked at, about; if more were made in five minutes it is fewer minutes, and their number an estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFilter:
    """Which endpoints; None lets all pass.

    Attributes:
        text: What stands in the URL or the description, in letters of either case.
    """

    tenant: str | None = None
    state: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHealth:
    """How an endpoint does, as in the view relay.endpoint_health.

    Attributes:
        success_ratio: The part of the attempts of the last five minutes that delivered; None: there were none.
        attempts: In the last five minutes.
        p50_ms: Milliseconds that half of them took at most; None: there were none.
        p99_ms: The same of 99 in a hundred.
        pending: Deliveries that wait for their first attempt, or are being sent.
        oldest_waiting: When the oldest event was inserted that still waits.
        breaker: `closed`, `open` (left alone because it fails) or `half_open` (being tried).
        paused_until: It asked not to be sent to before.
        failing_since: Its first failed attempt since the last success.
        is_estimate: Numbers of attempts and deliveries are, since there are very many.
    """

    endpoint_id: UUID
    url: str
    state: str
    success_ratio: float | None
    attempts: int
    p50_ms: int | None
    p99_ms: int | None
    pending: int
    retrying: int
    held: int
    dead: int
    oldest_waiting: datetime | None
    breaker: str
    paused_until: datetime | None
    failing_since: datetime | None
    is_estimate: bool


async def page(
    session: Session, wanted: EndpointFilter, *, limit: int, cursor: str | None = None
) -> Page[EndpointDetails]:
    """Return endpoints that match, the oldest first.

    Args:
        session: The database.
        wanted: What is wanted.
        limit: At most so many.
        cursor: Where the page begins; None: with the oldest.

    Raises:
        InvalidInput: The cursor is none of this list, or a text cannot be one.
    """
    check_texts(wanted, "tenant", "text")
    created_at, endpoint_id = (None, None) if cursor is None else _place_of(cursor)
    rows = await session.fetch(
        "endpoint_page", wanted.tenant, wanted.state, wanted.text, created_at, endpoint_id, limit + 1
    )
    items = tuple(endpoint_of(row) for row in rows[:limit])
    if len(rows) <= limit:
        return Page(items=items, next_cursor=None)
    return Page(items=items, next_cursor=to_cursor(items[-1].created_at.isoformat(), items[-1].id))


async def health_of(session: Session, endpoint_ids: Sequence[UUID]) -> dict[UUID, EndpointHealth]:
    """Return how endpoints do, by their ids; those that are not there, or removed, are left out."""
    rows = await session.fetch("endpoint_health", list(endpoint_ids), MOST_BLOCKS, MOST_ATTEMPTS)
    return {row["endpoint_id"]: _health_of(row) for row in rows}


async def health(session: Session, endpoint_id: UUID) -> EndpointHealth:
    """Return how an endpoint does.

    Raises:
        NotFound: There is none of that id, or it was removed.
    """
    found = await health_of(session, [endpoint_id])
    if endpoint_id not in found:
        raise NotFound(f"there is no endpoint {endpoint_id}; `relay endpoint list` shows those there are")
    return found[endpoint_id]


def _health_of(row: asyncpg.Record) -> EndpointHealth:
    return EndpointHealth(**{each.name: row[each.name] for each in fields(EndpointHealth)})


def _place_of(cursor: str) -> tuple[datetime, UUID]:
    moment, endpoint_id = from_cursor(cursor, _moment, UUID)
    return moment, endpoint_id


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment
