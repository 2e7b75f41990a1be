"""Operations on alerts: which there are and were."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from relay.admin.operations.inputs import checked_text
from relay.store.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert, raised and perhaps cleared.

    Attributes:
        id: Grows with each that is raised.
        alert: What kind of trouble it is: a name of `docs/reference/alerts.md`.
        endpoint_id: Whose trouble it is; None: of everything.
        summary: A sentence for a person, which says what to do.
        detail: The numbers behind it when it was raised.
        cleared_at: None while it lasts.
    """

    id: int
    alert: str
    endpoint_id: UUID | None
    summary: str
    detail: Mapping[str, Any]
    raised_at: datetime
    cleared_at: datetime | None


async def list_alerts(
    session: Session, *, active: bool | None, tenant: str | None, before: int | None, limit: int
) -> list[Alert]:
    """Return alerts, the newest first.

    Args:
        session: Runs the statement.
        active: True for those that last, False for those that are over, None for both.
        tenant: Only those of this tenant's endpoints, never those of everything; None for all.
        before: Only those with a smaller id, such as the last of the page before; None begins with the newest.
        limit: At most so many.

    Raises:
        InvalidInput: The tenant is a text that PostgreSQL cannot store.
    """
    if tenant is not None:
        checked_text("tenant", tenant)
    rows = await session.fetch("alert_list", active, tenant, before, limit)
    return [_alert_of(row) for row in rows]


def _alert_of(row: asyncpg.Record) -> Alert:
    return Alert(**{**row, "detail": json.loads(row["detail"])})
