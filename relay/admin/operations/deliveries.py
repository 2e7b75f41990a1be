"""Reading operations on deliveries: list them, look at one, and follow the log of attempts."""

import re
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self, TypeVar
from uuid import UUID

import asyncpg

from relay.admin.operations.errors import InvalidInput, NotFound
from relay.store.session import Session

STATES = (
    "pending",
    "in_flight",
    "retrying",
    "held",
    "delivered",
    "dead",
    "cancelled",
    "unrouted",
)
"""What `delivery_status` can say; `unrouted` is of an event that matched nobody."""

_NAME = re.compile(r"([0-9a-fA-F-]{36})/([0-9a-fA-F-]{36})")
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryName:
    """The name of a delivery, EVENT_ID/ENDPOINT_ID."""

    event_id: UUID
    endpoint_id: UUID

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name.

        Raises:
            InvalidInput: It is none.
        """
        found = _NAME.fullmatch(text)
        try:
            return cls(event_id=UUID(found[1] if found else ""), endpoint_id=UUID(found[2] if found else ""))
        except ValueError:
            raise InvalidInput(
                f"{ascii(text)[:100]} is no delivery; write EVENT_ID/ENDPOINT_ID, two UUIDs"
            ) from None

    def __str__(self) -> str:
        return f"{self.event_id}/{self.endpoint_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which deliveries; None lets all pass.

    Attributes:
        event_type: A type, or a pattern as endpoints have it.
        since: Only of events inserted then or later.
        until: Only of events inserted before.
        status_code: Of the last attempt.
    """

    state: str | None = None
    endpoint_id: UUID | None = None
    event_type: str | None = None
    tenant: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    reason: str | None = None
    status_code: int | None = None

    def parameters(self) -> tuple[object, ...]:
        """Return the values in the order in which the statements take them."""
        return tuple(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """What became of a delivery, as in the view relay.delivery_status.

    `endpoint_id` is None for an event that has no deliveries: not fanned out yet, or ended there.
    """

    event_id: UUID
    endpoint_id: UUID | None
    event_type: str
    tenant: str
    state: str
    reason: str | None
    attempts: int
    last_status_code: int | None
    last_error: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt with its request and response, as in the view relay.delivery_log; headers are JSON text."""

    event_id: UUID
    event_type: str
    endpoint_id: UUID
    url: str
    attempt: int
    trigger_type: str
    stale: bool
    status_code: int | None
    error_code: str | None
    error: str | None
    request_headers: str
    request_body: str | None
    response_headers: str | None
    response_body: str | None
    duration_ms: int
    attempted_at: datetime
    next_attempt_at: datetime | None
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """A delivery, all its attempts from the first, when that was asked, and whether a relay is running."""

    status: DeliveryStatus
    attempts: tuple[Attempt, ...]
    asked_at: datetime
    is_relay_running: bool


def status_of(row: asyncpg.Record) -> DeliveryStatus:
    """Return what a row of one of the statements on deliveries says."""
    return _of(DeliveryStatus, row)


async def list_matching(session: Session, wanted: Filter, *, limit: int) -> list[DeliveryStatus]:
    """Return at most `limit` deliveries that match, those of the newest events first."""
    rows = await session.fetch("delivery_list", *wanted.parameters(), limit)
    return [status_of(row) for row in rows]


async def statuses_of(
    session: Session, event_id: UUID, endpoint_id: UUID | None = None
) -> list[DeliveryStatus]:
    """Return what became of an event at each of its endpoints, or at the one given; empty if it is unknown."""
    rows = await session.fetch("delivery_status", event_id, endpoint_id)
    return [status_of(row) for row in rows]


async def show(session: Session, name: DeliveryName) -> DeliveryReport:
    """Return a delivery with every attempt.

    Raises:
        NotFound: There is none of that name.
    """
    statuses = await statuses_of(session, name.event_id, name.endpoint_id)
    event = await session.fetch_row("event_show", name.event_id)
    if not statuses or event is None:
        raise NotFound(
            f"there is no delivery {name}: the endpoint did not subscribe to the event, "
            "or retention has deleted it; `relay event show EVENT_ID` shows those there are"
        )
    rows = await session.fetch("delivery_log", name.event_id, name.endpoint_id)
    return DeliveryReport(
        status=statuses[-1],
        attempts=tuple(_of(Attempt, row) for row in rows),
        asked_at=event["asked_at"],
        is_relay_running=event["is_relay_running"],
    )


def _of(kind: type[Row], row: asyncpg.Record) -> Row:
    values: dict[str, Any] = {each.name: row[each.name] for each in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    return kind(**values)
