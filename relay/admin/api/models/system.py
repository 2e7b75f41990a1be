"""What concerns everything: numbers, pauses, the audit, alerts and tokens."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from relay.admin.api.models.fields import Answer, Duration, Given, ListQuery, Moment, Name, PageOf

Scope = Literal["read", "operate", "admin"]


class SendingBody(Given):
    """Whose sending."""

    tenant: Name | None = Field(description="Null is everything.")


class AuditQuery(ListQuery):
    """Which entries of the audit."""

    actor: Name | None = Field(None, description="Such as api:NAME, panel:NAME or cli:USER.")
    action: Name | None = Field(None, description="Such as endpoint.pause; `endpoint.` is all that begin so.")
    object: Name | None = Field(None, description="Such as an endpoint's id, or a delivery's name.")
    since: Moment | None = None
    until: Moment | None = None


class AlertsQuery(ListQuery):
    """Which alerts."""

    active: bool | None = Field(None, description="Only those that last, or only those that are over.")
    tenant: Name | None = Field(None, description="Only those of this tenant's endpoints.")


class NewTokenBody(Given):
    """A token to create."""

    name: Name = Field(min_length=1, description="What it is for; the audit shows it.")
    scope: Scope
    tenant: Name | None = Field(None, description="The only tenant that it sees and changes; null: all.")
    expires_in: Duration | None = Field(None, description="When it ends; null: never.")


class Whoami(Answer):
    """What the token that was shown may do."""

    name: str
    scope: Scope
    tenant: str | None


class Stats(Answer):
    """The state of everything in a few numbers."""

    is_relay_running: bool
    attempts: int = Field(description="In the last five minutes, as the next four.")
    attempts_per_second: float
    success_ratio: float | None
    p50_ms: int | None
    p99_ms: int | None
    backlog: dict[str, int] = Field(description="Deliveries by state.")
    oldest_age_s: dict[str, float]
    active_endpoints: int
    stopped_endpoints: int
    sizes: dict[str, int] = Field(description="Bytes by table.")
    rows: dict[str, int] = Field(description="About how many each has.")
    log_begins: datetime


class Pause(Answer):
    """What an operator has stopped."""

    tenant: str | None = Field(description="Null is everything.")
    paused_at: datetime
    paused_by: str


class Pauses(Answer):
    """What is paused, the oldest first."""

    items: list[Pause]


class AuditEntry(Answer):
    """One change, and who made it."""

    id: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: dict[str, Any] | None


class Alert(Answer):
    """One alert, raised and perhaps cleared."""

    id: int
    alert: str
    endpoint_id: UUID | None = Field(description="Whose trouble it is; null: of everything.")
    summary: str
    detail: dict[str, Any]
    raised_at: datetime
    cleared_at: datetime | None = Field(description="Null while it lasts.")


class Token(Answer):
    """A token as operators see it, without itself."""

    id: UUID
    name: str
    scope: Scope
    tenant: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    is_valid: bool


class CreatedToken(Token):
    """A new token, which is shown this once."""

    secret: str


class Tokens(Answer):
    """The tokens that were not revoked over 30 days ago, the newest first."""

    items: list[Token]


class AlertPage(PageOf[Alert]):
    """A part of the list of alerts."""


class AuditPage(PageOf[AuditEntry]):
    """A part of the audit."""
