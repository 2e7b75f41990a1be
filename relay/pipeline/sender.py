"""One attempt: build the request, sign it afresh, send it, judge the answer."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from relay.config import Delivery
from relay.endpoints.endpoint import Endpoint
from relay.http.headers import InvalidHeader
from relay.model import Answer, Attempt, Claim, Event, Failure, Released, Request, Result
from relay.observe.logs import get_logger
from relay.pipeline.compose import compose
from relay.pipeline.verdict import judge
from relay.store.clock import DatabaseClock

log = get_logger()

DEFECT_PAUSE = 60.0
"""Seconds until a delivery is tried again whose answer could not be judged."""

Ended = Callable[[Result], None]


class Wire(Protocol):
    """Makes requests; the one in use speaks HTTP, tests have others."""

    def start(self, request: Request, done: Callable[[Answer | None], None]) -> object:
        """Begin a request; `done` is called once, with what came back, or with None if it was cut off."""

    def cut_off(self) -> None:
        """End all that is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How requests are made, whatever the endpoint.

    Attributes:
        user_agent: How Relay names itself.
        connect_timeout: Seconds for a connection to stand.
        max_response_bytes: Of a response's body, how much is read and logged.
    """

    user_agent: str
    connect_timeout: float
    max_response_bytes: int


def limits_of(delivery: Delivery) -> Limits:
    """Return what these settings say of requests."""
    return Limits(
        user_agent=delivery.user_agent,
        connect_timeout=delivery.connect_timeout.total_seconds(),
        max_response_bytes=delivery.max_response_bytes,
    )


class Sender:
    """Makes attempts, any number side by side, without a task for each.

    Args:
        wire: Makes the requests.
        clock: Dates them.
        limits: May be exchanged while it runs.
    """

    def __init__(self, *, wire: Wire, clock: DatabaseClock, limits: Limits) -> None:
        self._wire = wire
        self._clock = clock
        self.limits = limits

    def start(self, claim: Claim, event: Event, endpoint: Endpoint, ended: Ended) -> None:
        """Send the event of `claim` to `endpoint`; `ended` gets what is to be recorded."""
        started, began = self._clock.now(), time.monotonic()
        shown = "{}"

        def answered(answer: Answer | None) -> None:
            # The database's clock may be corrected meanwhile; how long it took is the monotonic one's to tell.
            now = started + time.monotonic() - began
            try:
                result = _result(claim, endpoint, shown, answer, started=started, ended=now)
            except Exception:
                log.exception("delivery.failed_internally", event_id=event.id, endpoint_id=endpoint.id)
                result = Result(claim, Released(delay=DEFECT_PAUSE), None, now)
            ended(result)

        if endpoint.refusal is not None:
            answered(_never(endpoint.refusal))
            return
        try:
            request, shown = self._request(claim, event, endpoint, int(started))
        except InvalidHeader as error:
            answered(_never(str(error)))
        except Exception as error:
            log.exception("delivery.failed_internally", event_id=event.id, endpoint_id=endpoint.id)
            answered(_defect(error))
        else:
            self._wire.start(request, answered)

    def cut_off(self) -> None:
        """End all attempts that are under way; they are released."""
        self._wire.cut_off()

    def _request(self, claim: Claim, event: Event, endpoint: Endpoint, timestamp: int) -> tuple[Request, str]:
        limits = self.limits
        head, shown = compose(
            event,
            endpoint,
            number=claim.attempts + 1,
            timestamp=timestamp,
            user_agent=limits.user_agent,
        )
        connect_timeout = min(limits.connect_timeout, endpoint.timeout)
        return Request(
            endpoint.url, head, event.body, endpoint.timeout, connect_timeout, limits.max_response_bytes
        ), shown


def _result(
    claim: Claim, endpoint: Endpoint, shown: str, answer: Answer | None, *, started: float, ended: float
) -> Result:
    if answer is None:  # only a drain that ran out of time cuts an attempt off
        return Result(claim, Released(delay=0.0), None, ended)
    jitter = random.random()  # noqa: S311 - no secret
    outcome = judge(answer, claim, endpoint.schedule, started=started, ended=ended, random=jitter)
    attempt = Attempt(
        claim.attempts + 1, started, ended, endpoint.url, shown, answer, endpoint.store_response_body
    )
    return Result(claim, outcome, attempt, ended)


def _never(refusal: str) -> Failure:
    return Failure(code="not_allowed", message=refusal, is_final=True)


def _defect(error: Exception) -> Failure:
    """A defect of ours is charged like a failed attempt, so that it ends in the schedule and not in a hot loop."""
    return Failure(code="protocol", message=f"internal error: {type(error).__name__}")
