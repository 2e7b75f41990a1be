"""Lists of events, page by page."""

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

import asyncpg

from relay.admin.operations import places
from relay.admin.operations.inputs import check_texts
from relay.admin.operations.paging import (
    Look,
    Page,
    Seen,
    Swept,
    from_cursor,
    look_through,
    number_of,
    seen_in,
    to_cursor,
)
from relay.store.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events; None lets all pass.

    Attributes:
        event_type: A type, or a pattern as endpoints have it.
        since: Only those inserted then or later.
        until: Only those inserted before.
    """

    event_type: str | None = None
    tenant: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ordering_key: str | None = None
    dedupe_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSummary:
    """An event without what it carries."""

    id: UUID
    event_type: str
    tenant: str
    ordering_key: str | None
    sequence: int | None
    endpoint_id: UUID | None
    deliver_at: datetime | None
    expires_at: datetime | None
    dedupe_key: str | None
    created_at: datetime
    expunged_at: datetime | None
    is_cancelled: bool


async def page(
    session: Session, wanted: EventFilter, *, limit: int, cursor: str | None = None
) -> Page[EventSummary]:
    """Return events that match, the newest first.

    Args:
        session: The database.
        wanted: What is wanted.
        limit: At most so many.
        cursor: Where the page begins; None: with the newest.

    Raises:
        InvalidInput: The cursor is none of this list, or a text cannot be one.
    """
    check_texts(wanted, "event_type", "tenant", "ordering_key", "dedupe_key")
    stretch = await places.between(session, wanted.since, wanted.until)
    begin = None if stretch.last is None else stretch.last + 1
    if cursor is not None:
        event_id, offset = from_cursor(cursor, UUID, number_of)
        place = await places.of_cursor(session, event_id, wanted.tenant) + min(offset, 1)
        begin = place if begin is None else min(begin, place)

    async def look(after: asyncpg.Record | None, size: Look) -> Seen:
        rows = await session.fetch(
            "event_page",
            wanted.event_type,
            wanted.tenant,
            wanted.since,
            wanted.until,
            wanted.ordering_key,
            wanted.dedupe_key,
            begin if after is None else after["reached_seq"],
            stretch.first,
            size.rows,
            size.number,
        )
        return seen_in(rows, key="id", reached="reached_seq")

    swept = await look_through(look, limit=limit)
    items = tuple(_summary_of(row) for row in swept.found)
    return Page(items=items, next_cursor=await _next_cursor(session, wanted, swept))


async def _next_cursor(session: Session, wanted: EventFilter, swept: Swept) -> str | None:
    """Return the cursor of the next page: an event, and whether the page begins with it (1) or after it (0)."""
    if swept.is_full:
        return to_cursor(swept.found[-1]["id"], 0)
    if swept.reached is None:
        return None
    reached = places.Place(seq=swept.reached["reached_seq"], event_id=swept.reached["reached_id"])
    place = await places.to_go_on_from(session, reached, wanted.tenant)
    return None if place is None else to_cursor(place.event_id, 0 if place == reached else 1)


def _summary_of(row: asyncpg.Record) -> EventSummary:
    return EventSummary(**{each.name: row[each.name] for each in fields(EventSummary)})
