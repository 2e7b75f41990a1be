"""The standing of each endpoint: how much it may have in flight, as its answers show. Told once a batch of outcomes."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from relay.endpoints.breaker import BreakerRules
from relay.endpoints.changed import ChangedIds
from relay.endpoints.failing import FailingEndpoints, WrittenStreak
from relay.endpoints.limits import IDLE, MOST, START, grown, is_silent, only_fails, slowest
from relay.endpoints.standing import Standing
from relay.endpoints.streak import StreakRules
from relay.model import Attempt, Dead, DeadReason, Delivered, Result, Retrying
from relay.observe.logs import get_logger

log = get_logger()

SWEEP = 0.5
"""Seconds between two looks for endpoints that fell silent."""
SAME_WISH = 1.0
"""Seconds by which a wish to be left alone must go beyond the one before: many in flight bring the same one."""
AFTER_OLD_ONES = 0.5
"""Seconds between two looks whether what an endpoint had in hand when its breaker opened has ended."""
BETWEEN_PROBES = 0.1
"""Seconds between two probes, of all endpoints together."""


class Standings:
    """The standings of all endpoints.

    An endpoint is left alone while its breaker is open, and for as long as it asked with a Retry-After: nothing is
    claimed for it, and its rows are not touched.

    Args:
        rules: When breakers open.
        note_due: Called with endpoint and delay when it may have work that it was not given before.
        failing: Hears of outcomes too, and who only fails; None: one with the default rules.
        clock: Monotonic seconds; asked once a batch, not once a delivery.

    Attributes:
        unproven_in_hand: Slots of endpoints that are not proven, which share a part of all.
        changed: Whose breaker or wish changed, which is to be written down.
        unwanted: Endpoints that asked for nothing more, which are to be disabled, and why.
        failing: Which of them do nothing but fail.
    """

    def __init__(
        self,
        *,
        rules: BreakerRules,
        note_due: Callable[[UUID, float], None],
        failing: FailingEndpoints | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._note_due = note_due
        self.failing = failing or FailingEndpoints(StreakRules())
        self._clock = clock
        self._now = self._swept_at = clock()
        self._next_probe = float("-inf")
        self._standings: dict[UUID, Standing] = {}
        self._is_distrusted = True
        self.unproven_in_hand = 0
        self.changed = ChangedIds()
        self.unwanted: dict[UUID, DeadReason] = {}

    def of(self, endpoint_id: UUID) -> Standing:
        """Return the standing of an endpoint; a new one is unproven."""
        try:
            return self._standings[endpoint_id]
        except KeyError:
            return self._standings.setdefault(endpoint_id, Standing())

    def broken(self) -> list[UUID]:
        """Return the endpoints whose breaker is not closed."""
        return [each for each, standing in self._standings.items() if standing.breaker.state != "closed"]

    # Slots.

    def hold(self, endpoint_id: UUID, count: int) -> None:
        """Take note that an endpoint got so many slots."""
        standing = self.of(endpoint_id)
        if not standing.in_hand:
            standing.waiting_since = self._now
        standing.in_hand += count
        if not standing.is_proven:
            self.unproven_in_hand += count

    def let_go(self, endpoint_id: UUID, count: int) -> None:
        """Take note that an endpoint gave so many slots back."""
        standing = self.of(endpoint_id)
        standing.in_hand -= count
        if not standing.is_proven:
            self.unproven_in_hand -= count

    def blocked_for(self, endpoint_id: UUID) -> float:
        """Return for how many seconds nothing is to be claimed for an endpoint; 0 if it may be asked for work.

        The end of a breaker's time gives it a place among the probes; when that has come, it lets one through.
        """
        standing = self.of(endpoint_id)
        breaker = standing.breaker
        if not standing.is_throttled and breaker.state != "open":
            return 0.0
        now = self._clock()
        if standing.is_throttled:
            if now < standing.throttled_until:
                return standing.left_alone_for(now)
            self._end_throttle(endpoint_id, standing)
        if breaker.state != "open":
            return 0.0
        if now >= breaker.until and not breaker.has_place:
            breaker.until = max(now, self._next_probe)
            breaker.has_place = True
            self._next_probe = breaker.until + BETWEEN_PROBES
        if now < breaker.until:
            return breaker.until - now
        if standing.in_hand:
            return AFTER_OLD_ONES  # what was sent before would pass for the probe
        breaker.let_probe()
        standing.allowed = 1
        self.changed.add(endpoint_id)
        return 0.0

    # Outcomes.

    def note(self, results: Sequence[Result]) -> None:
        """Take note of outcomes; what was our own fault, or needed no request, says nothing of an endpoint."""
        self.failing.note(results)
        succeeded: dict[UUID, int] = {}
        failed: dict[UUID, int] = {}
        attempts: dict[UUID, Attempt | None] = {}
        throttled: dict[UUID, float] = {}
        for result in results:
            outcome = result.outcome
            endpoint_id = result.claim.endpoint_id
            if isinstance(outcome, Delivered):
                succeeded[endpoint_id] = succeeded.get(endpoint_id, 0) + 1
                attempts[endpoint_id] = result.attempt
            elif isinstance(outcome, Dead) and outcome.disables_endpoint:
                self.unwanted[endpoint_id] = outcome.reason
                self.changed.add(endpoint_id)
            elif isinstance(outcome, Retrying) or (isinstance(outcome, Dead) and outcome.is_failure):
                throttle = outcome.throttle
                if throttle is not None:
                    throttled[endpoint_id] = max(throttled.get(endpoint_id, 0.0), throttle.seconds)
                if throttle is None or throttle.is_failure or self._is_probed(endpoint_id):
                    failed[endpoint_id] = failed.get(endpoint_id, 0) + 1
        self._now = self._clock()
        for endpoint_id, seconds in throttled.items():
            self._throttle(endpoint_id, seconds)
        for endpoint_id, successes in succeeded.items():
            attempt = attempts[endpoint_id]
            took = 0.0 if attempt is None else attempt.ended_at - attempt.started_at
            self._hear(endpoint_id, successes, failed.pop(endpoint_id, 0), took)
        for endpoint_id, failures in failed.items():
            self._hear(endpoint_id, 0, failures, 0.0)

    def _is_probed(self, endpoint_id: UUID) -> bool:
        """Say whether an outcome is that of a probe, for which anything but a success means that it goes on."""
        return self.of(endpoint_id).breaker.state == "half_open"

    def _throttle(self, endpoint_id: UUID, seconds: float) -> None:
        """Leave an endpoint alone that asked for it; what it is asked for is begun anew afterwards, with few."""
        standing = self.of(endpoint_id)
        standing.heard_at = self._now
        until = self._now + seconds
        if until < standing.throttled_until + SAME_WISH:
            return
        if not standing.is_throttled:
            log.warning("endpoint.throttled", endpoint_id=str(endpoint_id), open_for_s=round(seconds, 1))
        standing.is_throttled, standing.throttled_until = True, until
        self.changed.add(endpoint_id)
        self._note_due(endpoint_id, seconds)

    def _end_throttle(self, endpoint_id: UUID, standing: Standing) -> None:
        standing.is_throttled, standing.throttled_until = False, float("-inf")
        standing.allowed = min(standing.allowed, START)
        self.changed.add(endpoint_id)

    def _hear(self, endpoint_id: UUID, successes: int, failures: int, took: float) -> None:
        now = self._now
        standing = self.of(endpoint_id)
        standing.heard_at = now
        if successes:
            standing.succeeded_at = now
            standing.pace = slowest(standing.pace, took)
        breaker = standing.breaker
        if breaker.note(now, successes, failures, self._rules):
            if breaker.state == "closed":
                self._recover(endpoint_id, standing)
            else:
                self._break(endpoint_id, standing)
        elif breaker.state != "closed":
            pass  # its attempts began before it was left alone
        elif successes:
            if standing.allowed < MOST:
                standing.allowed = grown(standing.allowed, successes)
                self._prove(standing)
        elif only_fails(now - standing.succeeded_at, standing.pace):
            self._doubt(standing)

    def sweep(self) -> None:
        """Find the endpoints that fell silent with deliveries in flight, and those that had nothing to do for long."""
        now = self._now = self._clock()
        # Whoever stood still himself cannot tell who was silent.
        is_late, self._swept_at = now - self._swept_at > 3 * SWEEP, now
        if is_late:
            return
        for standing in self._standings.values():
            if standing.in_hand:
                quiet = now - max(standing.heard_at, standing.waiting_since)
                if standing.is_proven and is_silent(quiet, standing.pace):
                    self._doubt(standing)
            elif standing.allowed > START and now - standing.succeeded_at > IDLE:
                standing.allowed = START

    def _prove(self, standing: Standing) -> None:
        if not standing.is_proven:
            standing.is_proven = True
            self.unproven_in_hand -= standing.in_hand

    def _doubt(self, standing: Standing) -> None:
        standing.allowed = START
        if standing.is_proven:
            standing.is_proven = False
            self.unproven_in_hand += standing.in_hand

    # Breakers.

    def _break(self, endpoint_id: UUID, standing: Standing) -> None:
        self._doubt(standing)
        standing.allowed = 0
        seconds = standing.breaker.until - self._now
        self.changed.add(endpoint_id)
        self._note_due(endpoint_id, seconds)
        log.warning("endpoint.breaker_opened", endpoint_id=str(endpoint_id), open_for_s=round(seconds, 1))

    def _recover(self, endpoint_id: UUID, standing: Standing) -> None:
        standing.allowed = START
        self._prove(standing)
        self.changed.add(endpoint_id)
        self._note_due(endpoint_id, 0.0)
        waited = round((self._now - standing.breaker.opened_at) * 1000)
        log.info("endpoint.recovered", endpoint_id=str(endpoint_id), waited_ms=waited)

    # What others decide.

    def change(self, rules: BreakerRules) -> None:
        """Go by other rules from now on."""
        self._rules = rules
        if not rules.enabled:
            for endpoint_id, standing in self._standings.items():
                self._close_breaker(endpoint_id, standing)

    def reset(self, endpoint_ids: Iterable[UUID]) -> None:
        """Close the breakers of endpoints that somebody changed, who wants to see now what comes of it.

        What they asked for before is over as well.
        """
        for endpoint_id in endpoint_ids:
            standing = self._standings.get(endpoint_id)
            if standing is None:
                continue
            if standing.is_throttled:
                self._end_throttle(endpoint_id, standing)
            self._close_breaker(endpoint_id, standing)

    def _close_breaker(self, endpoint_id: UUID, standing: Standing) -> None:
        if standing.breaker.state != "closed":
            standing.allowed = START
            self.changed.add(endpoint_id)
        standing.breaker.close()

    def forget(self, endpoint_ids: Iterable[UUID]) -> None:
        """Forget what endpoints have shown that are gone or somewhere else now; the slots they have stay counted."""
        for endpoint_id in endpoint_ids:
            self.failing.forget((endpoint_id,))
            self.reset((endpoint_id,))
            standing = self._standings.pop(endpoint_id, None)
            if standing is not None and standing.in_hand:
                self._doubt(standing)
                anew = self.of(endpoint_id)
                anew.in_hand, anew.waiting_since = standing.in_hand, standing.waiting_since

    @property
    def is_distrusted(self) -> bool:
        """Whether memory may be wrong, and what is written down counts until it has been read."""
        return self._is_distrusted

    def distrust(self) -> None:
        """Note that another relay may have been at work: what is written down counts."""
        self._is_distrusted = True

    def restore(
        self,
        open_for: Mapping[UUID, float],
        throttled_for: Mapping[UUID, float],
        failing: Mapping[UUID, WrittenStreak],
    ) -> None:
        """Take over which breakers are open, and who asked to be left alone, if memory may be wrong about that.

        Args:
            open_for: Seconds more for each breaker that is open, as it is written down.
            throttled_for: Seconds more for each endpoint that asked, whose breaker is closed.
            failing: Those that only fail.
        """
        if not self._is_distrusted:
            return
        self._is_distrusted = False
        self._now = self._clock()
        self.reset([endpoint_id for endpoint_id in self._standings if endpoint_id not in open_for])
        self.failing.restore(failing)
        for endpoint_id, left in throttled_for.items():
            self._throttle(endpoint_id, left)
        for endpoint_id, left in open_for.items():
            standing = self.of(endpoint_id)
            if not self._rules.enabled:
                self.changed.add(endpoint_id)
            elif standing.breaker.state == "closed":
                self._doubt(standing)
                standing.allowed = 0
                standing.breaker.remember(self._now, left, self._rules)
