"""The rule that turns what came back into an outcome. Pure: the time and the random number are arguments."""

from dataclasses import replace
from typing import assert_never

from relay.model import (
    Answer,
    Cancelled,
    Claim,
    Dead,
    Delivered,
    Failure,
    Outcome,
    Released,
    Response,
    Retrying,
    Schedule,
    Throttle,
)
from relay.pipeline.retry_after import retry_after
from relay.pipeline.schedule import LONGEST_RETRY_AFTER, next_delay

DELIVERED = Delivered()
_EXHAUSTED = Dead(reason="exhausted", is_failure=True)
GONE = 410
TOO_MANY_REQUESTS = 429
SHORTEST_PAUSE = 1.0
"""Seconds that an endpoint is left alone at least when it asks for it: an HTTP date has no fractions."""
UNAVAILABLE = frozenset({502, 503, 504})
"""With a Retry-After they speak for the whole endpoint; with another status it is about the one delivery."""
LEAST_PAUSE = 60.0
"""Seconds after a 429 that names no time."""
OWN_FAULT_PAUSE = 5.0
"""Seconds until a delivery is tried again that failed by our own fault."""
MOST_LOST_CLAIMS = 3
"""A delivery that was in hand at this many ends of the process is not sent again by itself."""
SUSPECT_AFTER = MOST_LOST_CLAIMS - 1
"""From so many on it is sent alone among its like, so that one more end of the process tells of one delivery only."""


def judge(
    answer: Answer, claim: Claim, schedule: Schedule, *, started: float, ended: float, random: float
) -> Outcome:
    """Return what becomes of a delivery after an attempt.

    Args:
        answer: What came back.
        claim: The delivery before the attempt.
        schedule: The endpoint's retry schedule.
        started: Unix time at which the attempt began.
        ended: Unix time at which the answer was known.
        random: Drawn from [0, 1), for the jitter.
    """
    match answer:
        case Response():
            return _of_response(answer, claim, schedule, started=started, ended=ended, random=random)
        case Failure(is_own_fault=True):
            return Released(delay=OWN_FAULT_PAUSE * (0.5 + random))
        case Failure(is_final=True):
            return Dead(reason="not_allowed")
        case Failure():
            return _again(claim, schedule, started=started, ended=ended, random=random)
        case _:
            assert_never(answer)


def _of_response(
    response: Response, claim: Claim, schedule: Schedule, *, started: float, ended: float, random: float
) -> Outcome:
    if is_success(response.status):
        return DELIVERED
    end = _end_of(response, schedule)
    if end is not None:
        return end
    asked = min(retry_after(response.headers.get("retry-after"), now=ended), LONGEST_RETRY_AFTER)
    is_busy = response.status == TOO_MANY_REQUESTS
    least = LEAST_PAUSE if is_busy and asked <= 0 else asked
    outcome = _again(claim, schedule, started=started, ended=ended, random=random, not_before=least)
    if is_busy:
        return replace(outcome, throttle=Throttle(seconds=max(least, SHORTEST_PAUSE), is_failure=False))
    if asked > 0 and response.status in UNAVAILABLE:
        return replace(outcome, throttle=Throttle(seconds=max(asked, SHORTEST_PAUSE), is_failure=True))
    return outcome


def _end_of(response: Response, schedule: Schedule) -> Dead | None:
    """Return how a delivery ends by what the endpoint answered, or None if it is to be tried again."""
    if response.status == GONE:
        return Dead(reason="gone", disables_endpoint=True)
    wish = response.headers.get("webhook-delivery", "").strip().lower()
    if wish in {"abort", "disable"}:
        return Dead(reason="aborted", disables_endpoint=wish == "disable")
    if response.status in schedule.permanent_statuses:
        return Dead(reason="aborted", is_failure=True)
    return None


def _again(
    claim: Claim,
    schedule: Schedule,
    *,
    started: float,
    ended: float,
    random: float,
    not_before: float = 0.0,
) -> Retrying | Dead:
    if claim.trigger_type == "test":
        return _EXHAUSTED  # whoever tests wants to know now, and will test again
    window_start = started if claim.window_started_at is None else claim.window_started_at
    delay = next_delay(
        schedule,
        charged=claim.window_attempts + 1,
        elapsed=ended - window_start,
        not_before=not_before,
        random=random,
    )
    return _EXHAUSTED if delay is None else Retrying(delay=delay)


def is_success(status: int) -> bool:
    """Say whether the status means that the endpoint took the event."""
    return 200 <= status <= 299  # noqa: PLR2004 - the class of RFC 9110, section 15.3


def refuse_unsent(claim: Claim, *, now: float) -> Outcome | None:
    """Return the outcome of a claim that needs no request, or None if it is to be sent.

    Args:
        claim: The delivery, just claimed.
        now: Unix time by the database's clock.
    """
    if claim.event is None:
        return Dead(reason="unprocessable")
    if claim.is_cancelled:
        return Cancelled()
    if claim.event.expires_at is not None and claim.event.expires_at <= now:
        return Dead(reason="expired")
    if claim.lost >= MOST_LOST_CLAIMS:
        return Dead(reason="quarantined")
    return None
