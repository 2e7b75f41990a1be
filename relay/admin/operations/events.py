"""Operations on events: publish one by hand, find out what became of it, withdraw it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from relay.admin.operations.deliveries import DeliveryStatus, statuses_of
from relay.admin.operations.endpoint_values import headers_text
from relay.admin.operations.errors import InvalidInput, NotFound
from relay.admin.operations.inputs import check_texts, checked_text, refused_by_database
from relay.store.session import Session, Statements

_BIGGEST_SEQUENCE = 2**63 - 1
_LONGEST_PAYLOAD = 64 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to publish; the fields are the columns of relay.outbox. `payload` is JSON text, sent as it is."""

    event_type: str
    payload: str
    id: UUID | None = None
    tenant: str = ""
    ordering_key: str | None = None
    sequence: int | None = None
    endpoint_id: UUID | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    deliver_at: datetime | None = None
    expires_at: datetime | None = None
    dedupe_key: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What publishing led to.

    Attributes:
        event_id: The event that stands: an older one if its dedupe key was used before.
        is_new: Whether it was stored just now.
        endpoints: How many endpoints will get it, as things are.
    """

    event_id: UUID
    is_new: bool
    endpoints: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event as it was inserted. `payload` is the text that is sent."""

    id: UUID
    event_type: str
    payload: str
    content_type: str
    tenant: str
    ordering_key: str | None
    sequence: int | None
    endpoint_id: UUID | None
    headers: str | None
    deliver_at: datetime | None
    expires_at: datetime | None
    dedupe_key: str | None
    traceparent: str | None
    created_at: datetime
    cancelled_at: datetime | None
    expunged_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReport:
    """An event, what became of it at each endpoint, when that was asked, and whether a relay is running."""

    event: Event
    deliveries: tuple[DeliveryStatus, ...]
    asked_at: datetime
    is_relay_running: bool


async def publish(session: Statements, wanted: NewEvent, *, actor: str) -> Published:
    """Publish an event.

    Raises:
        InvalidInput: A field cannot have its value.
    """
    check(wanted)
    event_id = wanted.id or uuid4()
    with refused_by_database():
        rows = await session.fetch(
            "event_publish",
            wanted.event_type,
            event_id,
            wanted.payload,
            wanted.tenant,
            wanted.ordering_key,
            wanted.sequence,
            wanted.endpoint_id,
            headers_text(wanted.headers) if wanted.headers else None,
            wanted.deliver_at,
            wanted.expires_at,
            wanted.dedupe_key,
            wanted.traceparent,
            actor,
        )
    found = rows[0]
    return Published(
        event_id=found["event_id"], is_new=found["event_id"] == event_id, endpoints=found["endpoints"]
    )


async def published(session: Statements, event_id: UUID) -> Published:
    """Return what publishing an event led to, when it was published before.

    Raises:
        NotFound: There is none of that id; retention may have deleted it.
    """
    row = await session.fetch_row("event_published", event_id)
    if row is None:
        raise _no_event(event_id)
    return Published(event_id=event_id, is_new=False, endpoints=row["endpoints"])


async def show(session: Session, event_id: UUID) -> EventReport:
    """Return an event and what became of it.

    Raises:
        NotFound: There is none of that id; retention may have deleted it.
    """
    row = await session.fetch_row("event_show", event_id)
    if row is None:
        raise _no_event(event_id)
    return EventReport(
        event=_event_of(row),
        deliveries=tuple(await statuses_of(session, event_id)),
        asked_at=row["asked_at"],
        is_relay_running=row["is_relay_running"],
    )


async def cancel(session: Session, event_id: UUID, *, actor: str) -> bool:
    """Withdraw what of an event has not been claimed; return whether that was not done before.

    What is in flight ends by itself, and what was delivered stays so.

    Raises:
        NotFound: There is none of that id.
    """
    row = await session.fetch_row("event_cancel", event_id, actor)
    if row is None:
        raise _no_event(event_id)
    return not row["was_cancelled"]


def check(wanted: NewEvent) -> None:
    """Refuse texts that PostgreSQL cannot store.

    Raises:
        InvalidInput: One of them is such a text, or too long.
    """
    check_texts(wanted, "event_type")
    checked_text("payload", wanted.payload, _LONGEST_PAYLOAD)
    check_texts(wanted, "tenant", "ordering_key", "dedupe_key", "traceparent")
    if wanted.sequence is not None and not -_BIGGEST_SEQUENCE <= wanted.sequence <= _BIGGEST_SEQUENCE:
        raise InvalidInput("sequence must fit into 64 bits")


def _event_of(row: asyncpg.Record) -> Event:
    return Event(**{each.name: row[each.name] for each in fields(Event)})


def _no_event(event_id: UUID) -> NotFound:
    return NotFound(f"there is no event {event_id}: it was never committed, or retention has deleted it")
