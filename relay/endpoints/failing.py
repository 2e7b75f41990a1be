"""Which endpoints do nothing but fail, for how long, and what that leads to. Told once a batch of outcomes."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

from relay.endpoints.changed import ChangedIds
from relay.endpoints.streak import Step, Streak, StreakRules
from relay.model import Dead, Delivered, Outcome, Result, Retrying

NOTED_AFTER = 60.0
"""Seconds that one fails until that is written down, at most: short trouble is nothing to remember over a restart."""
NOTED_SHARE = 0.01
"""The same as a part of the time after which it is disabled."""


class News(NamedTuple):
    """What is to be told of an endpoint, and done if it is to be disabled.

    Attributes:
        what: A step of its failing, or that it is over.
        failing_for: Seconds since its first failure.
        failures: Attempts that failed in that time.
        disabled_in: Seconds until the next failure disables it; None if it will not.
    """

    endpoint_id: UUID
    what: Step | Literal["recovered"]
    failing_for: float
    failures: int
    disabled_in: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenStreak:
    """A streak as the database has it: seconds before now instead of times."""

    failing_for: float
    failures: int
    first_failures: int
    unhealthy_for: float | None
    warned_for: float | None


class FailingEndpoints:
    """The streaks of all endpoints that have one; an endpoint that is well costs nothing.

    Args:
        rules: When what follows; may be exchanged while it runs.
        clock: Monotonic seconds.

    Attributes:
        changed: Whose streak is to be written down, or forgotten.
        news: What is to be told, the oldest first; whoever tells it takes it out.
    """

    def __init__(self, rules: StreakRules, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self._clock = clock
        self._streaks: dict[UUID, Streak] = {}
        self._noted: set[UUID] = set()
        self.changed = ChangedIds()
        self.news: list[News] = []

    def note(self, results: Iterable[Result]) -> None:
        """Take note of outcomes; one success among those of an endpoint ends its streak."""
        failed: dict[UUID, list[int]] = {}
        for result in results:
            outcome, endpoint_id = result.outcome, result.claim.endpoint_id
            if isinstance(outcome, Delivered):
                if endpoint_id in self._streaks:
                    self._recover(endpoint_id)
            elif speaks_against(outcome):
                counts = failed.setdefault(endpoint_id, [0, 0])
                counts[0] += 1
                counts[1] += not result.claim.attempts
        if failed:
            now = self._clock()
            for endpoint_id, (failures, first_failures) in failed.items():
                self._fail(endpoint_id, now, failures, first_failures)

    def forget(self, endpoint_ids: Iterable[UUID]) -> None:
        """Forget what endpoints did that were stopped, resumed or removed, or that are somewhere else now."""
        for endpoint_id in endpoint_ids:
            self._streaks.pop(endpoint_id, None)
            if endpoint_id in self._noted:
                self._noted.discard(endpoint_id)
                self.changed.add(endpoint_id)

    def restore(self, written: Mapping[UUID, WrittenStreak]) -> None:
        """Go on with what is written down, and forget all else; what was not told of yet comes about again."""
        now = self._clock()
        self._streaks = {each: _streak(found, now) for each, found in written.items()}
        self._noted = set(written)
        self.news.clear()

    def written(self, endpoint_id: UUID) -> WrittenStreak | None:
        """Return what is to be written down of an endpoint; None if there is nothing."""
        streak, now = self._streaks.get(endpoint_id), self._clock()
        if streak is None or streak.since is None:
            return None
        return WrittenStreak(
            failing_for=now - streak.since,
            failures=streak.failures,
            first_failures=streak.first_failures,
            unhealthy_for=None if streak.unhealthy_at is None else now - streak.unhealthy_at,
            warned_for=None if streak.warned_at is None else now - streak.warned_at,
        )

    def _fail(self, endpoint_id: UUID, now: float, failures: int, first_failures: int) -> None:
        streak = self._streaks.get(endpoint_id)
        if streak is None:
            streak = self._streaks[endpoint_id] = Streak()
        steps = streak.failed(now, failures, first_failures, self.rules)
        self.news += [self._news(endpoint_id, step, streak, now) for step in steps]
        noted_after = NOTED_AFTER
        if self.rules.disable_after:
            noted_after = min(noted_after, NOTED_SHARE * self.rules.disable_after)
        if steps or (streak.since is not None and now - streak.since >= noted_after):
            self._noted.add(endpoint_id)
            self.changed.add(endpoint_id)

    def _recover(self, endpoint_id: UUID) -> None:
        streak = self._streaks.pop(endpoint_id)
        if streak.unhealthy_at is not None or streak.warned_at is not None:
            self.news.append(self._news(endpoint_id, "recovered", streak, self._clock()))
            self.changed.add(endpoint_id)
        if endpoint_id in self._noted:
            self._noted.discard(endpoint_id)
            self.changed.add(endpoint_id)

    def _news(self, endpoint_id: UUID, what: Step | Literal["recovered"], streak: Streak, now: float) -> News:
        will_be = what is Step.WARNED
        return News(
            endpoint_id,
            what,
            failing_for=now - (streak.since or now),
            failures=streak.failures,
            disabled_in=max(streak.disabled_from(self.rules) - now, 0.0) if will_be else None,
        )


def speaks_against(outcome: Outcome) -> bool:
    """Say whether an outcome is a failure of the endpoint; that it is busy (429) is none."""
    if isinstance(outcome, Retrying) or (isinstance(outcome, Dead) and outcome.is_failure):
        return outcome.throttle is None or outcome.throttle.is_failure
    return False


def _streak(written: WrittenStreak, now: float) -> Streak:
    streak = Streak()
    streak.since = now - written.failing_for
    streak.failures, streak.first_failures = written.failures, written.first_failures
    streak.unhealthy_at = None if written.unhealthy_for is None else now - written.unhealthy_for
    streak.warned_at = None if written.warned_for is None else now - written.warned_for
    return streak
