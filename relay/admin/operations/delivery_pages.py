"""Lists of deliveries, page by page."""

from dataclasses import replace
from uuid import UUID

import asyncpg

from relay.admin.operations import places
from relay.admin.operations.deliveries import DeliveryStatus, Filter, status_of
from relay.admin.operations.inputs import check_texts
from relay.admin.operations.paging import (
    Look,
    Page,
    Seen,
    Swept,
    from_cursor,
    look_through,
    seen_in,
    to_cursor,
)
from relay.store.session import Session

_SUCCESS = 200
_FIRST_ENDPOINT, _LAST_ENDPOINT = UUID(int=0), UUID(int=2**128 - 1)
Key = tuple[int, UUID]


async def page(
    session: Session, wanted: Filter, *, limit: int, cursor: str | None = None
) -> Page[DeliveryStatus]:
    """Return deliveries that match, those of the newest events first; of one event in the order of their endpoints.

    Args:
        session: The database.
        wanted: What is wanted.
        limit: At most so many.
        cursor: Where the page begins; None: with the newest.

    Raises:
        InvalidInput: The cursor is none of this list, or a text cannot be one.
    """
    check_texts(wanted, "event_type", "tenant", "reason")
    wanted = await _with_its_tenant(session, wanted)
    stretch = await places.between(session, wanted.since, wanted.until)
    begin = await _begin(session, wanted, cursor)
    if stretch.last is not None:
        newest = (stretch.last, _LAST_ENDPOINT)
        begin = newest if begin is None else min(begin, newest)
    statement = "delivery_page_open" if _is_of_undelivered(wanted) else "delivery_page"

    async def look(after: asyncpg.Record | None, size: Look) -> Seen:
        place = begin if after is None else _reached(after)
        rows = await session.fetch(
            statement, *wanted.parameters(), *(place or (None, None)), stretch.first, size.rows, size.number
        )
        return seen_in(rows, key="event_id", reached="reached_seq")

    swept = await look_through(look, limit=limit)
    items = tuple(status_of(row) for row in swept.found)
    return Page(items=items, next_cursor=await _next_cursor(session, wanted, swept))


def _is_of_undelivered(wanted: Filter) -> bool:
    """Say whether nothing that was delivered can match: a list of it goes through the few that were not."""
    is_other_state = wanted.state is not None and wanted.state != "delivered"
    is_failure = wanted.status_code is not None and not _SUCCESS <= wanted.status_code < _SUCCESS + 100
    return is_other_state or is_failure or wanted.reason is not None


async def _with_its_tenant(session: Session, wanted: Filter) -> Filter:
    """Return a filter by an endpoint that says its tenant too: a tenant's events have an index."""
    if wanted.endpoint_id is None or wanted.tenant is not None:
        return wanted
    row = await session.fetch_row("endpoint_show", wanted.endpoint_id)
    return wanted if row is None else replace(wanted, tenant=row["tenant"])


async def _begin(session: Session, wanted: Filter, cursor: str | None) -> Key | None:
    if cursor is None:
        return None
    event_id, endpoint_id = from_cursor(cursor, UUID, UUID)
    return await places.of_cursor(session, event_id, wanted.tenant), endpoint_id


def _reached(row: asyncpg.Record) -> Key:
    return row["reached_seq"], row["reached_endpoint"] or _FIRST_ENDPOINT


async def _next_cursor(session: Session, wanted: Filter, swept: Swept) -> str | None:
    if swept.is_full:
        last = swept.found[-1]
        return to_cursor(last["event_id"], last["endpoint_id"] or _FIRST_ENDPOINT)
    if swept.reached is None:
        return None
    seq, endpoint_id = _reached(swept.reached)
    reached = places.Place(seq=seq, event_id=swept.reached["reached_id"])
    place = await places.to_go_on_from(session, reached, wanted.tenant)
    if place is None:
        return None
    return to_cursor(place.event_id, endpoint_id if place == reached else _LAST_ENDPOINT)
