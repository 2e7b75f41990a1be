"""Results as the arrays of the recording statement."""

from collections.abc import Mapping, Sequence
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
from relay.store.arrays import flags, names, numbers

MICROSECONDS = 1_000_000
_NOT_LOGGED = (None,) * 9


class _Shown:
    """The JSON of response headers, made once for those of a batch that are the same object."""

    def __init__(self) -> None:
        self._by_identity: dict[int, str] = {}

    def __getitem__(self, headers: Mapping[str, str]) -> str:
        shown = self._by_identity.get(id(headers))
        if shown is None:
            shown = self._by_identity[id(headers)] = headers_json(headers.items())
        return shown


def columns(results: Sequence[Result], instance: int) -> tuple[Any, ...]:
    """Return the arguments of the statement `record` for these results."""
    shown = _Shown()
    rows = zip(*[_row(result, shown) for result in results], strict=True)
    (seqs, endpoint_ids, claims, outcomes, reasons, delays, ended, logged, charged, attempts, triggers, before,
     attempted, durations, statuses, codes, errors, urls, requests, responses, bodies) = rows  # fmt: skip
    places = {url: place for place, url in enumerate(dict.fromkeys(urls), 1)}
    return (
        numbers(seqs), names(endpoint_ids), numbers(claims), instance, names(outcomes), names(reasons),
        numbers(delays), numbers(ended), flags(logged), flags(charged), numbers(attempts),
        numbers(attempted), numbers(durations), numbers(statuses), names(codes), errors, list(places),
        numbers([places[url] for url in urls]), requests, responses, bodies, names(triggers), flags(before),
    )  # fmt: skip


def _row(result: Result, shown: _Shown) -> tuple[Any, ...]:
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
        int(ended_at * MICROSECONDS),
        is_logged,
        is_logged and name != "released",
        claim.attempts + 1 if is_logged else claim.attempts,
        claim.trigger_type,
        claim.delivered_before,
        *(_NOT_LOGGED if attempt is None else _logged(attempt, shown)),
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


def _logged(attempt: Attempt, shown: _Shown) -> tuple[Any, ...]:
    answer = attempt.answer
    duration = round((attempt.ended_at - attempt.started_at) * 1000)
    head = (int(attempt.started_at * MICROSECONDS), duration)
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
                shown[answer.headers],
                body_text(answer.body) if attempt.store_body else None,
            )
        case Failure():
            message = storable(answer.message)
            return (*head, None, answer.code, message, attempt.url, attempt.request_headers, None, None)
