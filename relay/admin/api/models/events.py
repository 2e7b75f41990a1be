"""Events, as programs write and read them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from relay.admin.api.models.deliveries import Delivery
from relay.admin.api.models.fields import Answer, Given, ListQuery, Moment, Name, PageOf


class NewEventBody(Given):
    """An event to publish."""

    event_type: Name = Field(examples=["invoice.paid"])
    payload: Any = Field(description="JSON, sent byte for byte as it stands here.")
    tenant: Name | None = Field(None, description="Whose event it is; the token's own if it has one.")
    ordering_key: Name | None = None
    sequence: int | None = Field(None, ge=-(2**63) + 1, le=2**63 - 1)
    endpoint_id: UUID | None = Field(None, description="Only for this endpoint.")
    headers: dict[str, str] = Field({})
    deliver_at: Moment | None = None
    expires_at: Moment | None = None
    dedupe_key: Name | None = Field(None, description="A second event with it is not stored.")
    traceparent: Name | None = None


class EventsQuery(ListQuery):
    """Which events."""

    event_type: Name | None = Field(None, description="A type, or a prefix such as invoice.*")
    tenant: Name | None = None
    since: Moment | None = Field(None, description="Only those inserted then or later.")
    until: Moment | None = Field(None, description="Only those inserted before.")
    ordering_key: Name | None = None
    dedupe_key: Name | None = None


class Published(Answer):
    """What publishing led to."""

    event_id: UUID = Field(description="An older event's if its dedupe key was used before.")
    is_new: bool = Field(description="Whether it was stored just now.")
    endpoints: int = Field(description="How many endpoints will get it, as things are.")


class EventSummary(Answer):
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


class Event(Answer):
    """An event and what became of it."""

    id: UUID
    event_type: str
    payload: str = Field(description="The text that is sent.")
    content_type: str
    tenant: str
    ordering_key: str | None
    sequence: int | None
    endpoint_id: UUID | None
    headers: dict[str, Any]
    deliver_at: datetime | None
    expires_at: datetime | None
    dedupe_key: str | None
    traceparent: str | None
    created_at: datetime
    cancelled_at: datetime | None
    expunged_at: datetime | None
    deliveries: list[Delivery]


class EventPage(PageOf[EventSummary]):
    """A part of the list of events."""
