"""Changes of many deliveries, as programs write and read them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from relay.admin.api.models.deliveries import OpenState
from relay.admin.api.models.fields import Answer, Given, ListQuery, Moment, Name, PageOf

State = Literal["prepared", "running", "paused", "done", "cancelled", "failed"]


class DeliveryFilter(Given):
    """Which deliveries that have not ended well; the state has to be said."""

    state: OpenState
    endpoint_id: UUID | None = None
    event_type: Name | None = Field(None, description="A type, or a prefix such as invoice.*")
    tenant: Name | None = None
    since: Moment | None = None
    until: Moment | None = None
    reason: Name | None = None
    status_code: int | None = Field(None, ge=100, le=999)


class NewOperationBody(Given):
    """Retry or discard all deliveries that match."""

    kind: Literal["retry", "discard"]
    filter: DeliveryFilter
    rate: float | None = Field(None, gt=0, le=1_000_000, description="Deliveries a second at most.")


class NewReplayBody(Given):
    """Send again what was delivered or given up; or with `missing` what endpoints subscribe to and never had."""

    states: list[Literal["delivered", "dead"]] = Field(["delivered", "dead"], min_length=1, max_length=2)
    missing: bool = False
    endpoint_id: UUID | None = None
    event_type: Name | None = Field(None, description="A type, or a prefix such as invoice.*")
    tenant: Name | None = None
    since: Moment | None = None
    until: Moment | None = None
    rate: float | None = Field(100.0, gt=0, le=1_000_000, description="Deliveries a second at most.")


class OperationsQuery(ListQuery):
    """Which operations; those that were prepared and not started only if that state is asked for."""

    tenant: Name | None = Field(None, description="Only those that were prepared for this tenant alone.")
    state: State | None = None


class Operation(Answer):
    """A change of many deliveries, and how far the relay has got with it."""

    id: int
    kind: Literal["replay", "retry", "discard"]
    state: State
    selection: dict[str, Any] = Field(description="What selected its deliveries.")
    rate: float | None
    total: int = Field(description="How many were selected.")
    taken: int = Field(description="How many of them are done with.")
    results: dict[str, int] = Field(description="How many of those had which result.")
    actor: str
    detail: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class OperationChange(Answer):
    """An operation after a wish, and whether the wish changed anything."""

    operation: Operation
    changed: bool


class OperationPage(PageOf[Operation]):
    """A part of the list of operations."""
