"""Deliveries and their attempts, as programs ask for and read them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from relay.admin.api.models.fields import Answer, Given, ListQuery, Moment, Name, PageOf

State = Literal["pending", "in_flight", "retrying", "held", "delivered", "dead", "cancelled", "unrouted"]
OpenState = Literal["pending", "retrying", "held", "dead"]
MOST_NAMED = 1000


class DeliveriesQuery(ListQuery):
    """Which deliveries; `since` and `until` are about when their events were inserted."""

    state: State | None = None
    endpoint_id: UUID | None = None
    event_type: Name | None = Field(None, description="A type, or a prefix such as invoice.*")
    tenant: Name | None = None
    since: Moment | None = None
    until: Moment | None = None
    reason: Name | None = Field(None, description="Why it is dead or held, such as exhausted.")
    status_code: int | None = Field(None, ge=100, le=999, description="Of the last attempt.")


class NamedBody(Given):
    """Which deliveries to change."""

    deliveries: list[str] = Field(
        min_length=1, max_length=MOST_NAMED, description="Names, EVENT_ID/ENDPOINT_ID."
    )


class Delivery(Answer):
    """What became of an event at one endpoint."""

    delivery: str | None = Field(
        description="Its name, EVENT_ID/ENDPOINT_ID; null: the event has none (yet)."
    )
    event_id: UUID
    endpoint_id: UUID | None
    event_type: str
    tenant: str
    state: State
    reason: str | None
    attempts: int
    last_status_code: int | None
    last_error: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


class Attempt(Answer):
    """One attempt: what was sent, and what came back."""

    attempt: int
    trigger_type: Literal["automatic", "manual", "replay", "test"]
    outcome: str
    status_code: int | None
    error_code: str | None
    error: str | None
    url: str
    request_headers: dict[str, Any]
    request_body: str | None
    response_headers: dict[str, Any] | None
    response_body: str | None
    duration_ms: int
    attempted_at: datetime
    next_attempt_at: datetime | None
    stale: bool = Field(description="It happened, and changed nothing, since another had taken over.")


class DeliveryReport(Delivery):
    """A delivery with all its attempts, the oldest first."""

    explanation: str = Field(description="The state in a sentence for people.")
    log: list[Attempt]


class ChangeResult(Answer):
    """What became of the wish to change one delivery."""

    delivery: str
    result: str = Field(
        description="`scheduled`, `held` or `discarded` if it was done; else why not: `in_flight`, `delivered`, "
        "`endpoint_removed`, `cancelled`, `expired`, `expunged` or `not_found`."
    )
    message: str


class ChangeResults(Answer):
    """What became of each."""

    items: list[ChangeResult]


class DeliveryPage(PageOf[Delivery]):
    """A part of the list of deliveries."""
