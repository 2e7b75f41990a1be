"""What the two ends of the demo write down: events that were committed or rolled back, and requests received."""

from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

Pair: TypeAlias = tuple[str, str]
"""A delivery: the event's id and the endpoint's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What the application writes about one event.

    Attributes:
        id: The event's id as text.
        event_type: Its type.
        digest: SHA-256 of the payload's text in UTF-8, the very text that was inserted.
        endpoints: The names of the endpoints that subscribe to its type.
    """

    id: str
    event_type: str
    digest: bytes
    endpoints: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the receiver writes about one request.

    Attributes:
        event_id: As the request says.
        endpoint: The name of the endpoint whose URL was called.
        event_type: As the request says.
        attempt: As the request says; 0 if it does not.
        digest: SHA-256 of the body's bytes.
        status: What was answered.
        fault: Why the signature is not right, in words; empty when both formats are.
    """

    event_id: str
    endpoint: str
    event_type: str
    attempt: int
    digest: bytes
    status: int
    fault: str = ""

    @property
    def pair(self) -> Pair:
        """The delivery that it belongs to."""
        return self.event_id, self.endpoint

    @property
    def is_accepted(self) -> bool:
        """Whether it was answered 2xx, which is what ends a delivery."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own number


def digest_of(content: str | bytes) -> bytes:
    """Return the SHA-256 of a body, or of a text in UTF-8."""
    return sha256(content.encode() if isinstance(content, str) else content).digest()
