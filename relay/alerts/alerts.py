"""The alerts of one relay: what looks, what remembers, and what tells, put together."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import get_args

import asyncpg

from relay.alerts.alert import AlertName, Change, ClearedAlert
from relay.alerts.book import AlertBook
from relay.alerts.database import DatabaseAlarm
from relay.alerts.message import about, type_of
from relay.alerts.sinks import Sinks, SinkSettings, Wire
from relay.alerts.watch import AlertWatch, WatchRules
from relay.config import Settings
from relay.endpoints.health import Standings
from relay.endpoints.notices import Notices
from relay.endpoints.registry import Registry
from relay.observe.logs import get_logger
from relay.observe.tally import Tally
from relay.store.instance import Instance
from relay.store.session import DatabaseAway, Session
from relay.store.watch import Backoff, DatabaseWatch

log = get_logger()

KEPT = 90 * 86400.0
"""Seconds that an alert is kept after it is over."""
PRUNE = 3600.0
"""Seconds between two looks for those that were kept for long enough."""


class Alerts:
    """Raises alerts and tells of them.

    Args:
        settings: The configuration.
        session: One that moves no deliveries.
        wire: Makes the requests to sinks.
        instance: Tells whether this relay is the active one: only that raises alerts.
        watch: Knows whether the database is there.
        backoff: Makes the pauses while it is not.
        tally: Counts deliveries.
        registry: Knows the endpoints.
        standings: Know whose breaker is open.
        notices: Tell operators' endpoints.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        session: Session,
        wire: Wire,
        instance: Instance,
        watch: DatabaseWatch,
        backoff: Callable[[str], Backoff],
        tally: Tally,
        registry: Registry,
        standings: Standings,
        notices: Notices,
    ) -> None:
        self._session = session
        self._instance = instance
        self._backoff = backoff("alerts")
        self._notices = notices
        self._sinks = Sinks(SinkSettings.of(settings), wire=wire)
        self._book = AlertBook(session, self._tell)
        self._watch = AlertWatch(
            session,
            book=self._book,
            tally=tally,
            registry=registry,
            standings=standings,
            rules=WatchRules.of(settings.alerts),
        )
        self._alarm = DatabaseAlarm(
            session,
            watch=watch,
            active=instance.active,
            limit=settings.alerts.max_database_away.total_seconds(),
            tell=self._tell,
        )

    def counts(self) -> Mapping[str, int]:
        """Return how many alerts of each name last, as far as this relay knows."""
        return {
            **dict.fromkeys(get_args(AlertName), 0),
            **self._book.counts(),
            "database_away": int(self._alarm.is_raised),
        }

    def change(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._watch.change(WatchRules.of(settings.alerts))
        self._alarm.limit = settings.alerts.max_database_away.total_seconds()
        self._sinks.change(SinkSettings.of(settings))

    def start_over(self) -> None:
        """Begin as the active relay, and trust nothing that was in memory: another one may have worked meanwhile."""
        self._watch.start_over()
        self._alarm.was_active = True

    async def run(self) -> None:
        """Look and tell until cancelled."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._look(), name="alert watch")
            loops.create_task(self._alarm.run(), name="database alarm")
            loops.create_task(self._sinks.run(), name="alert sinks")
            loops.create_task(self._prune(), name="old alerts")

    async def finish(self) -> None:
        """Send what sinks have not got yet: the relay is about to end."""
        await self._sinks.finish()

    async def _look(self) -> None:
        has_failed = False
        while True:
            await asyncio.sleep(self._watch.rules.step)
            try:
                if self._instance.active.is_set():
                    await self._watch.round()
                elif has_failed:
                    await self._book.read()  # so that it is known when the database is back
                elif self._instance.standby.is_set():
                    self._watch.stand_by()
                    continue
                self._backoff.succeeded()
                has_failed = False
            except (DatabaseAway, asyncpg.PostgresError) as error:
                has_failed = True
                await self._backoff.failed(error)

    async def _prune(self) -> None:
        while True:
            await self._instance.active.wait()
            with suppress(DatabaseAway, asyncpg.PostgresError):  # there is time
                await self._session.fetch("alert_prune", KEPT)
            await asyncio.sleep(PRUNE)

    def _tell(self, change: Change) -> None:
        raised = change.raised if isinstance(change, ClearedAlert) else change
        key = raised.key
        of = {} if key.endpoint_id is None else {"endpoint_id": str(key.endpoint_id)}
        if isinstance(change, ClearedAlert):
            log.info("alert.cleared", alert=key.alert, waited_ms=round(change.seconds * 1000), **of)
        else:
            log.warning("alert.raised", alert=key.alert, detail=raised.summary, **of)
        self._sinks.put(change)
        self._notices.alert(type_of(change), key.endpoint_id, about(change))
