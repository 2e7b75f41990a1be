"""Results as the arrays of the recording statement."""

from collections.abc import Sequence
from typing import Any

from relay.model import (
    Attempt,
    Cancelled,
    Dead,
    Delivered,
    Failure,
    Outcome,
    Released,
    Response,
    Result,
    Retrying,
)
from relay.pipeline.texts import body_text, headers_json, storable


def columns(results: Sequence[Result], instance: int) -> tuple[Any, ...]:
    """Return the arguments of the statement `record` for these results."""
    rows = [_row(result) for result in results]
    keys = list(zip(*rows, strict=True))
    return (list(keys[0]), list(keys[1]), list(keys[2]), instance, *(list(column) for column in keys[3:]))


def _row(result: Result) -> tuple[Any, ...]:
    claim, attempt = result.claim, result.attempt
    name, reason, delay = _outcome(result.outcome)
    return (
        claim.event_seq,
        claim.endpoint_id,
        claim.number,
        name,
        reason,
        delay,
        result.ended_at,
        attempt is not None,
        is_charged(result),
        claim.attempts + 1 if attempt is not None else claim.attempts,
        attempt.started_at if attempt is not None else None,
        *_logged(attempt),
        claim.trigger_type,
        claim.delivered_before,
    )


def is_charged(result: Result) -> bool:
    """Say whether the result counts as an attempt of its delivery."""
    return result.attempt is not None and not isinstance(result.outcome, Released)


def _outcome(outcome: Outcome) -> tuple[str, str | None, float | None]:
    match outcome:
        case Delivered():
            return "delivered", None, None
        case Retrying(delay=delay):
            return "retrying", None, delay
        case Dead(reason=reason):
            return "dead", reason, None
        case Cancelled():
            return "cancelled", None, None
        case Released(delay=delay):
            return "released", None, delay


def _logged(attempt: Attempt | None) -> tuple[Any, ...]:
    if attempt is None:
        return (None,) * 9
    head = (attempt.started_at, round((attempt.ended_at - attempt.started_at) * 1000))
    match attempt.answer:
        case Response() as response:
            succeeded = 200 <= response.status <= 299  # noqa: PLR2004 - the class of RFC 9110, section 15.3
            return (
                *head,
                response.status,
                None if succeeded else "status",
                None if succeeded else f"status {response.status}",
                attempt.url,
                attempt.request_headers,
                headers_json(response.headers.items()),
                body_text(response.body) if attempt.store_body else None,
            )
        case Failure() as failure:
            message = storable(failure.message)
            return (*head, None, failure.code, message, attempt.url, attempt.request_headers, None, None)
