"""Looks at deliveries, endpoints and the backlog now and then, and has the book raise and clear what it finds."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from uuid import UUID

from relay.alerts.alert import Finding
from relay.alerts.book import AlertBook
from relay.alerts.findings import of_backlog, of_endpoint_rate, of_endpoints, of_rate
from relay.alerts.recent import STEPS, RecentlyDelivered
from relay.alerts.rules import BACKLOG_MARGIN, Rate, RateRules, State
from relay.config import Alerts as AlertSettings
from relay.endpoints.health import Standings
from relay.endpoints.registry import Registry
from relay.observe.endpoint_counts import deliveries_of
from relay.observe.readings import MOST_BLOCKS
from relay.observe.success import SLOT, WINDOWS, Blocked
from relay.observe.tally import Tally
from relay.store.session import Session

LONGEST_STEP = 10.0
"""Seconds between two looks at most."""
MOST_DUE = 20_000
"""Deliveries behind open breakers that are looked at in one round, those of all endpoints together."""
MOST_DUE_EACH = 1_000
"""The same of one endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRules:
    """When something is worth an alert.

    Attributes:
        max_backlog_age: Seconds that something may be due and not sent; None: as long as it likes.
    """

    rate: RateRules
    max_backlog_age: float | None

    @classmethod
    def of(cls, settings: AlertSettings) -> "WatchRules":
        """Return what the settings say."""
        age = settings.max_backlog_age
        return cls(
            rate=RateRules(
                min_ratio=settings.min_success_ratio,
                min_deliveries=settings.min_deliveries,
                window=settings.window.total_seconds(),
            ),
            max_backlog_age=None if age is None else age.total_seconds(),
        )

    @property
    def step(self) -> float:
        """Seconds between two looks."""
        return min(self.rate.window / STEPS, LONGEST_STEP)


class AlertWatch:
    """Finds what is worth an alert.

    Args:
        session: One that moves no deliveries.
        book: Raises and clears.
        tally: Counts deliveries.
        registry: Knows the endpoints.
        standings: Know whose breaker is open.
        rules: May be exchanged by `change`.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        session: Session,
        *,
        book: AlertBook,
        tally: Tally,
        registry: Registry,
        standings: Standings,
        rules: WatchRules,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._book = book
        self._tally = tally
        self._registry = registry
        self._standings = standings
        self._clock = clock
        self._recent = RecentlyDelivered()
        self._watched_since = clock()
        self._uneven_until = float("-inf")
        self.rules = rules
        self._widen(rules)

    def change(self, rules: WatchRules) -> None:
        """Go by other rules from now on."""
        if rules.rate.window != self.rules.rate.window:
            self._recent.forget()
            self._watched_since = self._clock()
            self._uneven_until = self._clock() + rules.rate.window
            self._widen(rules)
        self.rules = rules

    def start_over(self) -> None:
        """Note that another relay may have been at work: what was counted here is not all there was."""
        self._watched_since = self._clock()
        self._book.is_read = False

    def stand_by(self) -> None:
        """Note that another relay is at work."""
        self._tally.success.blocked = MappingProxyType({})
        self._book.forget()

    async def round(self) -> None:
        """Look once.

        Raises:
            DatabaseAway: As of any statement; the next round finds the same again.
        """
        if not self._registry.version:
            return  # the endpoints are about to be read
        if not self._book.is_read:
            await self._book.read()
        await self._look_behind_breakers()
        overdue = await self._overdue()
        now = self._clock()
        self._look_at_counters(now)
        await self._book.settle(self._findings(overdue, now), now)

    def _findings(self, overdue: list[tuple[UUID | None, float]], now: float) -> Iterator[Finding]:
        """Yield how everything is that can go wrong, as far as it may be wrong."""
        if self.rules.rate.min_ratio > 0:
            yield from self._rates(now)
        if self.rules.max_backlog_age is not None:
            yield of_backlog(overdue, self.rules.max_backlog_age)
        yield from of_endpoints(self._registry)

    def _rates(self, now: float) -> Iterator[Finding]:
        rules, success = self.rules.rate, self._tally.success
        failing = success.failing(rules.window, now)
        stopped = [endpoint_id for endpoint_id in failing if not self._takes_deliveries(endpoint_id)]
        if stopped:
            success.leave_out(stopped)
        watched_for = now - self._watched_since
        yield of_rate(Rate(*success.counts(rules.window, now)), rules, watched_for=watched_for)
        raised = {key.endpoint_id for key in self._book.raised() if key.alert == "low_delivery_rate"}
        broken = set(self._standings.broken())
        for endpoint_id in failing.keys() | raised:
            endpoint = None if endpoint_id is None else self._registry.get(endpoint_id)
            if endpoint is None or endpoint.hold is not None or not self._tally.endpoints.has(endpoint.id):
                continue
            found = of_endpoint_rate(
                endpoint,
                Rate(self._recent.of(endpoint.id), failing.get(endpoint.id, 0)),
                rules,
                watched_for=watched_for,
                is_broken=endpoint.id in broken,
            )
            # What was delivered is known from the change of the window on, what fails from before.
            is_uneven = now < self._uneven_until and found.state is State.BAD
            yield replace(found, state=State.BETWEEN) if is_uneven else found

    async def _look_behind_breakers(self) -> None:
        """Count what is due of endpoints that are left alone: nothing is recorded of it, and it fails all the same."""
        broken = [each for each in self._standings.broken() if self._takes_deliveries(each)]
        rows: list[Any] = []
        if broken:
            least = self.rules.rate.min_deliveries
            most = max(min(MOST_DUE // len(broken), MOST_DUE_EACH), least)
            rows = await self._session.fetch("due_blocked", broken, most)
        still = set(self._standings.broken())
        self._tally.success.blocked = {
            row["endpoint_id"]: Blocked(row["untried"], row["tried"])
            for row in rows
            if row["endpoint_id"] in still
        }

    async def _overdue(self) -> list[tuple[UUID | None, float]]:
        limit = self.rules.max_backlog_age
        if limit is None:
            return []
        rows = await self._session.fetch("overdue", BACKLOG_MARGIN * limit, MOST_BLOCKS)
        late = [(row["endpoint_id"], row["due_for"]) for row in rows]
        return [each for each in late if each[0] is None or self._takes_deliveries(each[0])]

    def _look_at_counters(self, now: float) -> None:
        counts = self._tally.endpoints
        counts.forget(lambda endpoint_id: self._registry.get(endpoint_id) is not None)
        step = int(now * STEPS / self.rules.rate.window)
        self._recent.look(
            step, ((endpoint_id, deliveries_of(each)) for endpoint_id, each in counts.by_id.items())
        )

    def _takes_deliveries(self, endpoint_id: UUID) -> bool:
        endpoint = self._registry.get(endpoint_id)
        return endpoint is not None and endpoint.hold is None

    def _widen(self, rules: WatchRules) -> None:
        success, window = self._tally.success, rules.rate.window
        success.slot = min(SLOT, window / STEPS)
        success.longest = max(window, *WINDOWS.values())
