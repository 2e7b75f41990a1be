"""One endpoint, as the pipeline needs it."""

from dataclasses import dataclass
from uuid import UUID

from relay.http.signature import Secret, SignatureFormat
from relay.model import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where events go, as the registry knows it.

    Attributes:
        secrets: Current one first; empty if there is none that can be opened.
        hold: Why nothing is sent to it now; None when it takes deliveries.
        refusal: Why its URL can never be called; None when it may be.
        timeout: Seconds for a whole attempt.
        headers: Checked extra request headers.
    """

    id: UUID
    url: str
    tenant: str
    event_types: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    signature: SignatureFormat
    secrets: tuple[Secret, ...]
    timeout: float
    max_in_flight: int
    schedule: Schedule
    store_response_body: bool
    hold: str | None
    refusal: str | None
