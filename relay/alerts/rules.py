"""When an alert is raised and when it is cleared. Pure: the time is an argument.

An alert is raised as soon as its cause is there. It is cleared when things have been well for a while: between bad and
well lies a margin in which it stays what it is, so that what hovers at a limit does not flap.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

MARGIN = 0.2
"""An alert on a rate ends above the limit by this part of what is left to 1: 0.95 raises, 0.96 clears."""
CALM = 0.2
"""For this part of the window a rate must have been well before its alert is cleared: one minute of five."""
BACKLOG_MARGIN = 0.8
"""An alert on the backlog's age is cleared below this part of the limit."""


class State(Enum):
    """How things are: bad raises an alert, well clears it in time, and in between it stays as it is."""

    BAD = "bad"
    BETWEEN = "between"
    WELL = "well"


class Rate(NamedTuple):
    """Deliveries of one window: delivered ÷ (delivered + failing) is the delivery rate."""

    delivered: int
    failing: int

    @property
    def deliveries(self) -> int:
        """All of them."""
        return self.delivered + self.failing

    @property
    def ratio(self) -> float:
        """The share from 0 to 1; 1 if there was nothing to deliver."""
        return self.delivered / self.deliveries if self.deliveries else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRules:
    """When a delivery rate is too low.

    Attributes:
        min_ratio: Below this it is; 0: never.
        min_deliveries: With fewer deliveries in the window nothing is raised.
        window: In seconds.
    """

    min_ratio: float
    min_deliveries: int
    window: float

    @property
    def clear_ratio(self) -> float:
        """From here on the rate is well."""
        return self.min_ratio + MARGIN * (1.0 - self.min_ratio)

    @property
    def calm(self) -> float:
        """Seconds for which it must be well."""
        return CALM * self.window


def judge_rate(rate: Rate, rules: RateRules, *, watched_for: float, is_broken: bool) -> State:
    """Return how a delivery rate is.

    Args:
        rate: Of the last window.
        rules: What is too low.
        watched_for: Seconds since this process began to count. Within the first window few deliveries prove nothing.
        is_broken: The breaker of the endpoint is not closed, so nothing is well, however little is due.
    """
    is_enough = rate.deliveries >= rules.min_deliveries
    if is_enough and rate.ratio < rules.min_ratio:
        return State.BAD
    is_known = is_enough or watched_for >= rules.window
    if is_broken or not is_known or rate.ratio < rules.clear_ratio:
        return State.BETWEEN
    return State.WELL


def judge_age(age: float, limit: float) -> State:
    """Return how it is that something has waited for `age` seconds, of which more than `limit` is too long."""
    if age > limit:
        return State.BAD
    return State.BETWEEN if age > BACKLOG_MARGIN * limit else State.WELL


@dataclass(slots=True)
class Latch:
    """Whether one alert is raised.

    Attributes:
        is_raised: It is.
        well_since: Since when things are well, monotonic; None if they are not.
    """

    is_raised: bool = False
    well_since: float | None = None

    def note(self, state: State, now: float, *, calm: float) -> bool:
        """Take note of how things are; returns whether the alert is raised from now on.

        Args:
            state: How they are.
            now: Monotonic seconds.
            calm: Seconds for which they must have been well.
        """
        if state is not State.WELL:
            self.well_since = None
        elif self.well_since is None:
            self.well_since = now
        if state is State.BAD:
            self.is_raised = True
        elif self.well_since is not None and now - self.well_since >= calm:
            self.is_raised = False
        return self.is_raised
