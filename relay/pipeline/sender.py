"""One attempt: build the request, sign it afresh, send it, judge the answer."""

import random
import time
from dataclasses import dataclass
from typing import Protocol

import orjson

from relay.endpoints.endpoint import Endpoint
from relay.http.headers import InvalidHeader, check_headers
from relay.http.signature import sign
from relay.model import Answer, Attempt, Claim, Event, Failure, Request, Result
from relay.pipeline.texts import headers_json
from relay.pipeline.verdict import judge
from relay.store.clock import DatabaseClock

Headers = tuple[tuple[str, str], ...]


class Wire(Protocol):
    """Makes requests; the one in use speaks HTTP, tests have others."""

    async def send(self, request: Request) -> Answer:
        """Make the request and return what came back; never raises for an expected trouble."""


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


class Sender:
    """Makes attempts, one at a time for each delivery and any number side by side.

    Args:
        wire: Makes the requests.
        clock: Dates them.
        limits: May be exchanged while it runs.
    """

    def __init__(self, *, wire: Wire, clock: DatabaseClock, limits: Limits) -> None:
        self._wire = wire
        self._clock = clock
        self.limits = limits

    async def attempt(self, claim: Claim, event: Event, endpoint: Endpoint) -> Result:
        """Send the event of `claim` to `endpoint` and return what is to be recorded."""
        number = claim.attempts + 1
        started, began = self._clock.now(), time.monotonic()
        headers: Headers = ()
        refusal = endpoint.refusal
        if refusal is None:
            try:
                headers = self._headers(event, endpoint, number, int(started))
            except InvalidHeader as error:
                refusal = str(error)
        if refusal is None:
            answer = await self._wire.send(self._request(event, endpoint, headers))
        else:
            answer = Failure(code="not_allowed", message=refusal, is_final=True)
        # The database's clock may be corrected meanwhile; how long it took is the monotonic one's to tell.
        ended = started + time.monotonic() - began
        outcome = judge(
            answer,
            claim,
            endpoint.schedule,
            started=started,
            ended=ended,
            random=random.random(),  # noqa: S311 - jitter
        )
        attempt = Attempt(
            number=number,
            started_at=started,
            ended_at=ended,
            url=endpoint.url,
            request_headers=headers_json(headers),
            answer=answer,
            store_body=endpoint.store_response_body,
        )
        return Result(claim=claim, outcome=outcome, attempt=attempt, ended_at=ended)

    def _request(self, event: Event, endpoint: Endpoint, headers: Headers) -> Request:
        return Request(
            url=endpoint.url,
            headers=headers,
            body=event.body,
            timeout=endpoint.timeout,
            connect_timeout=min(self.limits.connect_timeout, endpoint.timeout),
            max_response_bytes=self.limits.max_response_bytes,
        )

    def _headers(self, event: Event, endpoint: Endpoint, number: int, now: int) -> Headers:
        """Return all headers of one attempt.

        Raises:
            InvalidHeader: The event asks for one that may not be sent.
        """
        event_id = str(event.id)
        headers = [
            ("User-Agent", self.limits.user_agent),
            ("Content-Type", event.content_type),
            ("X-Webhook-Id", event_id),
            *sign(event_id, now, event.body, endpoint.secrets, endpoint.signature),
            ("X-Webhook-Event", event.event_type),
            ("X-Webhook-Attempt", str(number)),
        ]
        if event.sequence is not None:
            headers.append(("X-Webhook-Sequence", str(event.sequence)))
        if event.traceparent is not None:
            headers.append(("traceparent", event.traceparent))
        headers.extend(endpoint.headers)
        if event.headers is not None:
            own = {name.lower() for name, _ in headers}
            headers.extend((n, v) for n, v in _checked(event.headers) if n.lower() not in own)
        return tuple(headers)


def _checked(text: str) -> Headers:
    try:
        headers = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidHeader(f"the event's headers cannot be read: {error}") from error
    return check_headers(headers)
