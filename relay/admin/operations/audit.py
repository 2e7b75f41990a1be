"""Reading the audit: who changed what, and when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from relay.admin.operations.inputs import check_texts
from relay.admin.operations.paging import (
    Look,
    Page,
    Seen,
    from_cursor,
    look_through,
    number_of,
    seen_in,
    to_cursor,
)
from relay.store.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries; None lets all pass.

    Attributes:
        actor: Such as `cli:anna`, `api:grafana`, `panel:anna`.
        action: Such as `endpoint.pause`; `endpoint.` is all that begin so.
        object: Such as an endpoint's id, or a delivery's name.
        since: Only of what was done then or later.
        until: Only of what was done before.
    """

    actor: str | None = None
    action: str | None = None
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change, and who made it."""

    id: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: Mapping[str, Any] | None


async def page(
    session: Session, wanted: AuditFilter, *, limit: int, cursor: str | None = None
) -> Page[AuditEntry]:
    """Return entries that match, the newest first.

    Args:
        session: The database.
        wanted: What is wanted.
        limit: At most so many.
        cursor: Where the page begins; None: with the newest.

    Raises:
        InvalidInput: The cursor is none of this list, or a text cannot be one.
    """
    check_texts(wanted, "actor", "action", "object")
    (begin,) = (None,) if cursor is None else from_cursor(cursor, number_of)

    async def look(after: asyncpg.Record | None, size: Look) -> Seen:
        rows = await session.fetch(
            "audit_page",
            wanted.actor,
            wanted.action,
            wanted.object,
            wanted.since,
            wanted.until,
            begin if after is None else after["reached_id"],
            size.rows,
            size.number,
        )
        return seen_in(rows, key="id", reached="reached_id")

    swept = await look_through(look, limit=limit)
    items = tuple(_entry_of(row) for row in swept.found)
    last = items[-1].id if swept.is_full else swept.reached and swept.reached["reached_id"]
    return Page(items=items, next_cursor=None if last is None else to_cursor(last))


def _entry_of(row: asyncpg.Record) -> AuditEntry:
    return AuditEntry(
        id=row["id"],
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        object=row["object"],
        detail=None if row["detail"] is None else json.loads(row["detail"]),
    )
