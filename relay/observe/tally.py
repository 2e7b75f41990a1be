"""What is counted of deliveries: plain numbers, brought up to date once a batch, after it was committed.

A delivery costs the whole process some tens of microseconds, and counting it must stay under one. So nothing here knows
of metrics; they are made of these numbers when somebody asks.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from uuid import UUID

from relay.model import (
    Answer,
    Attempt,
    Cancelled,
    Dead,
    Delivered,
    Outcome,
    Released,
    Response,
    Result,
    Retrying,
)
from relay.observe.endpoint_counts import CLASSES, REPEATED, SUCCESS, EndpointCounts
from relay.observe.histogram import Histogram
from relay.observe.success import WINDOWS, SuccessRate

ATTEMPT_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
FIRST_REQUEST_BOUNDS = (0.001, 0.0025, *ATTEMPT_BOUNDS, 300.0)
DELIVERY_BOUNDS = (*ATTEMPT_BOUNDS, 300.0, 1800.0, 7200.0, 43_200.0, 259_200.0)

OUTCOMES: dict[type[Outcome], str] = {
    Delivered: "delivered",
    Retrying: "retrying",
    Dead: "dead",
    Cancelled: "cancelled",
    Released: "released",
}
ENDED = ("delivered", "dead", "cancelled")

Key = tuple[int, UUID]


class Tally:
    """Counts attempts and deliveries since the start of the process.

    Args:
        max_endpoints: So many endpoints are shown with counts of their own; the others together.
        clock: Monotonic seconds.

    Attributes:
        attempts: By outcome; `stale` ones changed nothing.
        deliveries: Those that ended, by state.
        endpoints: Charged attempts of each endpoint.
        success: The share of deliveries that succeed.
    """

    def __init__(self, *, max_endpoints: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.attempts = dict.fromkeys(("delivered", "retrying", "dead", "released", "stale"), 0)
        self.deliveries = dict.fromkeys(ENDED, 0)
        self.attempt_duration = Histogram(ATTEMPT_BOUNDS)
        self.first_request_latency = Histogram(FIRST_REQUEST_BOUNDS)
        self.delivery_latency = Histogram(DELIVERY_BOUNDS)
        self.success = SuccessRate()
        self.endpoints = EndpointCounts(most_named=max_endpoints)

    def batch(self, results: Iterable[Result], stale: Collection[Key]) -> None:
        """Count results whose record is committed.

        Args:
            results: The batch.
            stale: The deliveries whose outcome came too late and changed nothing.
        """
        now = self._clock()
        for result in self._count_plain(results, stale, now):
            self._count(result, now, is_stale=result.claim.key in stale)

    def ended(self, state: str, count: int) -> None:
        """Count deliveries that ended elsewhere than in a batch."""
        self.deliveries[state] += count

    def success_ratios(self) -> dict[str, float]:
        """Return the share of deliveries that succeed, by window."""
        now = self._clock()
        return {name: self.success.ratio(seconds, now) for name, seconds in WINDOWS.items()}

    def _count_plain(self, results: Iterable[Result], stale: Collection[Key], now: float) -> list[Result]:
        """Count what was delivered with the first attempt, which is nearly all, and return the rest.

        It does what `_count` does, without a call for each.
        """
        rest = []
        durations, firsts = self.attempt_duration.counts, self.first_request_latency.counts
        latencies, endpoints = self.delivery_latency.counts, self.endpoints.by_id
        plain, sending, waiting = 0, 0.0, 0.0
        for result in results:
            claim, outcome, attempt, _ = result
            event = claim.event
            if (
                outcome.__class__ is not Delivered
                or (attempt is None or event is None)
                or (claim.attempts or claim.delivered_before)
                or (stale and claim.key in stale)
            ):
                rest.append(result)
                continue
            plain += 1
            started, ended, created = attempt.started_at, attempt.ended_at, event.created_at
            durations[bisect_left(ATTEMPT_BOUNDS, ended - started)] += 1
            firsts[bisect_left(FIRST_REQUEST_BOUNDS, started - created)] += 1
            latencies[bisect_left(DELIVERY_BOUNDS, ended - created)] += 1
            sending += ended - started
            waiting += started - created
            (endpoints.get(claim.endpoint_id) or self.endpoints.of(claim.endpoint_id))[SUCCESS] += 1
        self._count_delivered(plain, max(sending, 0.0), max(waiting, 0.0), now)
        return rest

    def _count_delivered(self, count: int, sending: float, waiting: float, now: float) -> None:
        self.attempts["delivered"] += count
        self.deliveries["delivered"] += count
        self.attempt_duration.total += sending
        self.first_request_latency.total += waiting
        self.delivery_latency.total += waiting + sending
        self.success.delivered(count, now)

    def _count(self, result: Result, now: float, *, is_stale: bool) -> None:
        if result.attempt is not None:
            self._count_attempt(result, result.attempt, is_stale=is_stale)
        if not is_stale and not result.claim.delivered_before:
            self._count_delivery(result, now)

    def _count_attempt(self, result: Result, attempt: Attempt, *, is_stale: bool) -> None:
        claim, outcome = result.claim, OUTCOMES[result.outcome.__class__]
        self.attempts["stale" if is_stale else outcome] += 1
        self.attempt_duration.add(attempt.ended_at - attempt.started_at)
        if isinstance(result.outcome, Released):
            return  # our own fault: it tells nothing of the endpoint, and the delivery comes again as it was
        counts, came = self.endpoints.of(claim.endpoint_id), _class_of(attempt.answer)
        counts[came] += 1
        if came == SUCCESS and (is_stale or claim.delivered_before):
            counts[REPEATED] += 1
        is_first = claim.attempts == 0 and not claim.delivered_before and not is_stale
        if is_first and claim.event is not None:
            self.first_request_latency.add(attempt.started_at - claim.event.created_at)

    def _count_delivery(self, result: Result, now: float) -> None:
        claim, outcome = result.claim, OUTCOMES[result.outcome.__class__]
        if outcome in self.deliveries:
            self.deliveries[outcome] += 1
        if isinstance(result.outcome, Delivered):
            self.success.recovered(hash(claim.key))
            self.success.delivered(1, now)
            if claim.event is not None:
                self.delivery_latency.add(result.ended_at - claim.event.created_at)
        elif result.attempt is not None and not isinstance(result.outcome, Released):
            self.success.failed(hash(claim.key), claim.endpoint_id, now)


def _class_of(answer: Answer) -> int:
    """Return the place in `CLASSES`; a status that HTTP does not know is no answer."""
    if isinstance(answer, Response) and answer.status // 100 < len(CLASSES):
        return answer.status // 100
    return CLASSES.index("error")
