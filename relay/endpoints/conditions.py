"""Looks after the standings: finds who fell silent, writes down who is left alone or only fails, and tells of it."""

import asyncio
import time
from uuid import UUID

import asyncpg

from relay.endpoints.failing import News
from relay.endpoints.health import SWEEP, Standings
from relay.endpoints.notices import Notices
from relay.endpoints.streak import Step
from relay.observe.logs import get_logger
from relay.store.session import DatabaseAway, Session
from relay.store.watch import Backoff

log = get_logger()

FAILING = "failing"
"""Why an endpoint is disabled that did nothing but fail."""


class ConditionKeeper:
    """Sweeps the standings, and writes what changed of them; people see it, and the next start goes on with it.

    Args:
        standings: Of all endpoints.
        session: One that moves no deliveries.
        notices: Get what the operator's endpoints are to hear.
        active: Set while this relay works; another one knows better while it is not.
        backoff: Pauses between tries while the database is away.
    """

    def __init__(
        self,
        *,
        standings: Standings,
        session: Session,
        notices: Notices,
        active: asyncio.Event,
        backoff: Backoff,
    ) -> None:
        self._standings = standings
        self._session = session
        self._notices = notices
        self._active = active
        self._backoff = backoff
        self._unanswered: set[UUID] = set()
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Look after them until cancelled."""
        while True:
            try:
                async with asyncio.timeout(SWEEP):
                    await self._standings.changed.some.wait()
            except TimeoutError:
                pass
            self._standings.sweep()
            is_current = self._active.is_set() and not self._standings.is_distrusted
            try:
                await self._round(writes=is_current)
                self._backoff.succeeded()
            except (DatabaseAway, asyncpg.PostgresError) as error:
                await self._backoff.failed(error)
            if not is_current:
                await asyncio.sleep(SWEEP)

    async def finish(self) -> None:
        """Write what is left, unless the database refuses it now: the relay is about to end."""
        try:
            await self._round(writes=self._active.is_set())  # nobody reads any more what is written
        except (DatabaseAway, asyncpg.PostgresError) as error:
            await self._backoff.failed(error)

    async def _round(self, *, writes: bool) -> None:
        """Disable who asked for that, in an answer to a claim that was ours; the rest only if memory is what counts."""
        async with self._writing:
            await self._disable_unwanted()
            if writes:
                await self._write()
                await self._tell()

    async def _write(self) -> None:
        """Write what changed, all of it in one statement."""
        changed, failing = self._standings.changed, self._standings.failing
        ids = list(dict.fromkeys([*changed.take(), *failing.changed.take()]))
        if not ids:
            return
        standings = [self._standings.of(endpoint_id) for endpoint_id in ids]
        streaks = [failing.written(endpoint_id) for endpoint_id in ids]
        now = time.monotonic()
        try:
            await self._session.fetch(
                "endpoint_conditions_write",
                ids,
                [standing.breaker.state for standing in standings],
                [standing.left_alone_for(now) for standing in standings],
                [streak and streak.failing_for for streak in streaks],
                [streak.failures if streak else 0 for streak in streaks],
                [streak.first_failures if streak else 0 for streak in streaks],
                [streak and streak.unhealthy_for for streak in streaks],
                [streak and streak.warned_for for streak in streaks],
            )
        except (DatabaseAway, asyncpg.PostgresError):
            changed.put_back(ids)
            raise

    async def _tell(self) -> None:
        """Tell of endpoints that only fail, and disable those that did for too long."""
        failing = self._standings.failing
        while failing.news:
            news = failing.news[0]
            if news.what is Step.DISABLED:
                await self._disable(news.endpoint_id, FAILING)
            elif news.what == "recovered":
                self._notices.recovered(news)
            else:
                _log_unhealthy(news)
                self._notices.unhealthy(news)
            del failing.news[0]

    async def _disable_unwanted(self) -> None:
        unwanted = self._standings.unwanted
        for endpoint_id, reason in tuple(unwanted.items()):
            await self._disable(endpoint_id, reason)
            del unwanted[endpoint_id]

    async def _disable(self, endpoint_id: UUID, reason: str) -> None:
        try:
            is_done = bool(await self._session.fetch("disable_endpoint", endpoint_id, reason))
        except DatabaseAway:
            self._unanswered.add(endpoint_id)  # it may be done
            raise
        was_done = endpoint_id in self._unanswered
        self._unanswered.discard(endpoint_id)
        if is_done or was_done:
            log.warning("endpoint.disabled", endpoint_id=str(endpoint_id), reason=reason)
            self._notices.disabled(endpoint_id, reason)


def _log_unhealthy(news: News) -> None:
    log.warning(
        "endpoint.unhealthy",
        endpoint_id=str(news.endpoint_id),
        reason=str(news.what),
        failing_for_s=round(news.failing_for),
        failures=news.failures,
    )
