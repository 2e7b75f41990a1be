"""What a program asks, read and checked; and what it is told."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from relay.admin.api.models.fields import Answer
from relay.admin.context import Context
from relay.admin.principal import Principal
from relay.store.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request whose token, path, query and body were checked, those of a tenant's token for that tenant.

    Attributes:
        query: Of the route's model.
        body: Of the route's model.
        text: The body as it was sent.
        ids: What stands in the path.
        idempotency_key: Under which the request may be repeated; None: it may not.
    """

    context: Context
    principal: Principal
    query: Any
    body: Any
    text: str
    ids: dict[str, Any]
    idempotency_key: str | None

    @property
    def actor(self) -> str:
        """Who it is in the audit."""
        return self.principal.actor

    @property
    def tenant(self) -> str | None:
        """The only tenant that whoever asks may see; None: all."""
        return self.principal.tenant

    @property
    def endpoint_id(self) -> UUID:
        """The endpoint that the path names."""
        found: UUID = self.ids["endpoint_id"]
        return found

    @property
    def event_id(self) -> UUID:
        """The event that the path names."""
        found: UUID = self.ids["event_id"]
        return found

    def session(self) -> AbstractAsyncContextManager[Session]:
        """Lend a session."""
        return self.context.sessions.session()

    def patient(self) -> AbstractAsyncContextManager[Session]:
        """Lend the session for selecting among everything."""
        return self.context.sessions.patient()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a program is told.

    Attributes:
        answer: The body, of the route's model.
        status: None: that of the route.
        headers: To be sent along.
    """

    answer: Answer
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
