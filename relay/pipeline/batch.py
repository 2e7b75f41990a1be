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
from relay.pipeline.verdict import is_success

_NOT_LOGGED = (None,) * 10


def columns(results: Sequence[Result], instance: int) -> tuple[Any, ...]:
    """Return the arguments of the statement `record` for these results."""
    keys = list(zip(*map(_row, results), strict=True))
    return (*keys[:3], instance, *keys[3:])


def _row(result: Result) -> tuple[Any, ...]:
    claim, outcome, attempt, ended_at = result
    name, reason, delay = _outcome(outcome)
    is_logged = attempt is not None
    return (
        claim.event_seq,
        claim.endpoint_id,
        claim.number,
        name,
        reason,
        delay,
        ended_at,
        is_logged,
        is_logged and name != "released",
        claim.attempts + 1 if is_logged else claim.attempts,
        *(_NOT_LOGGED if attempt is None else _logged(attempt)),
        claim.trigger_type,
        claim.delivered_before,
    )


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


def _logged(attempt: Attempt) -> tuple[Any, ...]:
    answer = attempt.answer
    duration = round((attempt.ended_at - attempt.started_at) * 1000)
    head = (attempt.started_at, attempt.started_at, duration)
    match answer:
        case Response():
            failed = not is_success(answer.status)
            return (
                *head,
                answer.status,
                "status" if failed else None,
                f"status {answer.status}" if failed else None,
                attempt.url,
                attempt.request_headers,
                headers_json(answer.headers.items()),
                body_text(answer.body) if attempt.store_body else None,
            )
        case Failure():
            message = storable(answer.message)
            return (*head, None, answer.code, message, attempt.url, attempt.request_headers, None, None)
