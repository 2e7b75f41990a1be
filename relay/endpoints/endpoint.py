"""One endpoint, as the pipeline needs it."""

import math
from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from relay.endpoints.filters import Json
from relay.http.signature import Secret, SignatureFormat
from relay.model import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where events go, as the registry knows it.

    Attributes:
        secrets: Current one first; empty if there is none that can be opened.
        secrets_end_at: Unix time at which each of them ends; infinity if it does not.
        hold: Why nothing is sent to it now; None when it takes deliveries.
        refusal: Why its URL can never be called; None when it may be.
        timeout: Seconds for a whole attempt.
        filter: What the payload of an event has to contain; None takes all.
        headers: Checked extra request headers.
        ordered: It gets the events of one ordering key one at a time, in their order.
        rate_limit: Requests a second; None: no limit.
    """

    id: UUID
    url: str
    tenant: str
    event_types: tuple[str, ...]
    filter: Json = None
    headers: tuple[tuple[str, str], ...]
    signature: SignatureFormat
    secrets: tuple[Secret, ...]
    secrets_end_at: tuple[float, ...] = ()
    timeout: float
    ordered: bool = False
    rate_limit: float | None = None
    max_in_flight: int
    schedule: Schedule
    store_response_body: bool
    hold: str | None
    refusal: str | None

    @property
    def first_end(self) -> float:
        """Unix time at which the first of its secrets ends; infinity if none does."""
        return min(self.secrets_end_at, default=math.inf)

    def without_ended(self, now: float) -> Self:
        """Return it without the secrets that ended; without any it takes no deliveries."""
        left = [
            (secret, end) for secret, end in zip(self.secrets, self.secrets_end_at, strict=True) if end > now
        ]
        return replace(
            self,
            secrets=tuple(secret for secret, _ in left),
            secrets_end_at=tuple(end for _, end in left),
            hold=self.hold or (None if left else "secret_missing"),
        )
