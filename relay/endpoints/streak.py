"""How long an endpoint has done nothing but fail, and what follows. Pure: the time is an argument.

Only failures count that are charged to it. One that is left alone by its breaker goes on failing, by its probes.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class StreakRules:
    """The settings of the section `[breaker]` about failing for long; durations in seconds.

    Attributes:
        unhealthy_after: First attempts of deliveries that fail in a row until people are told.
        disable_after: How long an endpoint only fails until it is disabled; 0: it never is.
        disable_min_attempts: At least so many attempts failed by then.
        warn_before: People are told at least so long before.
    """

    unhealthy_after: int = 5
    disable_after: float = 72 * 3600.0
    disable_min_attempts: int = 20
    warn_before: float = 24 * 3600.0


class Step(StrEnum):
    """What people are told of an endpoint that fails, or what is done about it."""

    UNHEALTHY = "failing"
    WARNED = "to_be_disabled"
    DISABLED = "disabled"


class Streak:
    """The failures of one endpoint since its last success. Times are monotonic seconds.

    Attributes:
        since: The first failure; None while there is none.
        failures: Attempts that failed.
        first_failures: Of them, those that were the first of their delivery.
        unhealthy_at: When people were told that it fails.
        warned_at: When people were told that it will be disabled.
    """

    __slots__ = ("failures", "first_failures", "since", "unhealthy_at", "warned_at")

    def __init__(self) -> None:
        self.end()

    def end(self) -> None:
        """Forget all failures."""
        self.since: float | None = None
        self.failures = 0
        self.first_failures = 0
        self.unhealthy_at: float | None = None
        self.warned_at: float | None = None

    def failed(self, now: float, failures: int, first_failures: int, rules: StreakRules) -> list[Step]:
        """Take note of failures, and return what follows from them now and did not before."""
        if self.since is None:
            self.since = now
        self.failures += failures
        self.first_failures += first_failures
        return self._steps(now, now - self.since, rules)

    def _steps(self, now: float, lasted: float, rules: StreakRules) -> list[Step]:
        steps = []
        if self.unhealthy_at is None and self.first_failures >= rules.unhealthy_after:
            self.unhealthy_at = now
            steps.append(Step.UNHEALTHY)
        if not rules.disable_after or self.failures < rules.disable_min_attempts:
            return steps
        if self.warned_at is None and lasted >= rules.disable_after - rules.warn_before:
            self.warned_at = now
            steps.append(Step.WARNED)
        elif self.warned_at is not None and now >= self.disabled_from(rules):
            steps.append(Step.DISABLED)
        return steps

    def disabled_from(self, rules: StreakRules) -> float:
        """Return when the next failure disables it, once people were warned."""
        since, warned = self.since or 0.0, self.warned_at or 0.0
        return max(since + rules.disable_after, warned + rules.warn_before)
