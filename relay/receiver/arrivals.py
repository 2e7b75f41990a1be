"""What receiving an event can come to, and the event on its way into the inbox and out of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Receipt(StrEnum):
    """What became of a request whose signature is right.

    STORED: it is committed. DUPLICATE: it was before; also well. REPEATED: what was signed came before under
    another event id, which only the format `x-webhook` allows; it is not taken.
    """

    STORED = "stored"
    DUPLICATE = "duplicate"
    REPEATED = "repeated"


class InboxUnavailable(Exception):  # noqa: N818 - it names what was found
    """The inbox cannot store now: its database is away or slow, or it is not started. Ask the sender to come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A verified request, before it is stored.

    Attributes:
        event_id: The sender's id of the event.
        event_type: What `X-Webhook-Event` says, which no signature covers; None without it.
        headers: Those that the inbox keeps, under lower-case names.
        body: As it came.
        signed_at: Unix time in seconds.
    """

    event_id: str
    event_type: str | None
    headers: Mapping[str, str]
    body: bytes
    signed_at: int

    def json(self) -> Any:
        """Return the body, parsed.

        Raises:
            ValueError: It is no JSON.
        """
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as its handler gets it.

    Attributes:
        seq: Its number in the inbox, by arrival.
        source: Which inbox it came to.
        event_id: The sender's id of the event.
        event_type: What `X-Webhook-Event` said, which no signature covers; None without it.
        ordering_key: Which events it is in order with; None without an order.
        version: Its place among them.
        headers: Those that the inbox keeps, under lower-case names.
        body: As it came.
        signed_at: By the sender's clock.
        received_at: By the database's clock.
        failures: How often the handler failed before.
    """

    seq: int
    source: str
    event_id: str
    event_type: str | None
    ordering_key: str | None
    version: int | None
    headers: Mapping[str, str]
    body: bytes
    signed_at: datetime
    received_at: datetime
    failures: int

    def json(self) -> Any:
        """Return the body, parsed.

        Raises:
            ValueError: It is no JSON.
        """
        return json.loads(self.body)
