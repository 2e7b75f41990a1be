"""The values that the stages of the pipeline hand on.

Those that are made for each delivery are named tuples: a frozen dataclass takes four times as long to make.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple
from uuid import UUID

TriggerType = Literal["automatic", "manual", "replay", "test"]
ErrorCode = Literal["dns", "connect", "tls", "timeout", "reset", "protocol", "not_allowed", "status"]
DeadReason = Literal[
    "exhausted",
    "expired",
    "gone",
    "aborted",
    "not_allowed",
    "discarded",
    "quarantined",
    "unprocessable",
    "endpoint_removed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When the attempts of a delivery follow one another.

    Attributes:
        base: Delay after the first failed attempt.
        factor: By which each delay is longer than the one before.
        max_delay: No single delay is longer.
        max_age: The window, from the first charged attempt of it; the last attempt is at its end.
        jitter: Share by which a delay is drawn shorter or longer, 0 to 1.
        delays: Replaces base and factor: after attempt n follows delays[n - 1], and after the last none.
        permanent_statuses: Answers after which there is no other attempt.
    """

    base: timedelta = timedelta(seconds=5)
    factor: float = 5.0
    max_delay: timedelta = timedelta(hours=12)
    max_age: timedelta = timedelta(hours=72)
    jitter: float = 0.2
    delays: tuple[timedelta, ...] = ()
    permanent_statuses: frozenset[int] = frozenset()


class Event(NamedTuple):
    """One row of the outbox, as much of it as sending needs.

    Attributes:
        seq: Orders events within the database; never leaves it.
        id: The text of a UUID.
        body: The bytes to send, exactly as inserted.
        headers: JSON text of extra request headers, unchecked.
        expires_at: Unix time after which it is not to be sent.
        created_at: Unix time of the insert.
    """

    seq: int
    id: str
    event_type: str
    tenant: str
    body: bytes
    content_type: str
    sequence: int | None
    headers: str | None
    traceparent: str | None
    expires_at: float | None
    created_at: float


class Claim(NamedTuple):
    """A delivery that this process holds, until its outcome is recorded.

    Attributes:
        event: None if the outbox row is gone.
        number: Counts the claims of the delivery; with the key it is the fence.
        size: Bytes of the body.
        attempts: Attempts charged before this one, over all windows.
        window_attempts: Of them, those of the current retry window.
        window_started_at: Unix time of the window's first charged attempt.
        lost: Claims before this one whose outcome was never recorded.
        is_cancelled: The application withdrew the event.
        delivered_before: Sent again on request; whatever comes, it stays delivered.
        ordering_hash: Of its ordering key, if others wait for its end; None if none may.
    """

    event_seq: int
    endpoint_id: UUID
    event: Event | None
    number: int
    size: int
    attempts: int = 0
    window_attempts: int = 0
    window_started_at: float | None = None
    trigger_type: TriggerType = "automatic"
    lost: int = 0
    is_cancelled: bool = False
    delivered_before: bool = False
    ordering_hash: int | None = None

    @property
    def key(self) -> tuple[int, UUID]:
        """What names the delivery inside the database."""
        return (self.event_seq, self.endpoint_id)


class Request(NamedTuple):
    """One HTTP request, complete.

    Attributes:
        head: The lines of all headers but Host and Content-Length, each with its line end.
        timeout: Seconds from the first step to the last byte that counts.
    """

    url: str
    head: bytes
    body: bytes
    timeout: float
    connect_timeout: float
    max_response_bytes: int


class Response(NamedTuple):
    """What an endpoint answered.

    Attributes:
        headers: Names in lower case; of several with one name the last.
        body: At most `max_response_bytes` of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """No answer came.

    Attributes:
        code: The kind, as users see it.
        message: What happened, for people.
        is_own_fault: The trouble is ours; nothing is charged to the delivery or its endpoint.
        is_final: It can never work; trying again is of no use.
    """

    code: ErrorCode
    message: str
    is_own_fault: bool = False
    is_final: bool = False


Answer = Response | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The endpoint took it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """An endpoint's wish to be left alone.

    Attributes:
        seconds: For so long, from the end of the attempt.
        is_failure: The attempt counts against the endpoint as well: it is in trouble, and not only busy.
    """

    seconds: float
    is_failure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """To be tried again `delay` seconds after the end of the attempt; `throttle`: what the endpoint wishes besides."""

    delay: float
    throttle: Throttle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """Given up; `throttle` as in `Retrying`.

    Attributes:
        disables_endpoint: The endpoint asked for nothing more.
        is_failure: It counts against the endpoint, as a failed attempt does.
    """

    reason: DeadReason
    disables_endpoint: bool = False
    is_failure: bool = False
    throttle: Throttle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Withdrawn by the application before it was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Given back uncharged, due again after `delay` seconds."""

    delay: float


Outcome = Delivered | Retrying | Dead | Cancelled | Released


class Attempt(NamedTuple):
    """One request and what came back, for the delivery log.

    Attributes:
        number: Counted from 1 over the life of the delivery.
        started_at: Unix time by the database's clock.
        ended_at: The same, when the answer was known.
        request_headers: JSON text, with what is secret left out.
    """

    number: int
    started_at: float
    ended_at: float
    url: str
    request_headers: str
    answer: Answer
    store_body: bool


class Result(NamedTuple):
    """What became of a claim: the outcome, and the attempt if a request was made."""

    claim: Claim
    outcome: Outcome
    attempt: Attempt | None
    ended_at: float
