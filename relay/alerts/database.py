"""The alert that the database is away: it cannot be stored then, so it is told at once and stored afterwards."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import orjson

from relay.alerts.alert import Change, ClearedAlert, RaisedAlert
from relay.alerts.findings import of_database
from relay.store.session import DatabaseAway, Session
from relay.store.watch import DatabaseWatch

LOOK = 1.0
"""Seconds between two looks at most."""
MOST_UNSTORED = 100


class DatabaseAlarm:
    """Raises the alert when the database has been away for long, if this relay is the one that works on it.

    Args:
        session: Stores it when the database is back.
        watch: Knows whether it is away.
        active: Set while this relay works.
        limit: Seconds that it may be away; may be changed.
        tell: Gets what was raised or cleared.
        clock: Monotonic seconds.

    Attributes:
        was_active: This relay was the active one when the database was last there.
    """

    def __init__(
        self,
        session: Session,
        *,
        watch: DatabaseWatch,
        active: asyncio.Event,
        limit: float,
        tell: Callable[[Change], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._watch = watch
        self._active = active
        self._tell = tell
        self._clock = clock
        self.was_active = False
        self._away_since: float | None = None
        self._raised: RaisedAlert | None = None
        self._unstored: list[ClearedAlert] = []
        self.limit = limit

    @property
    def is_raised(self) -> bool:
        """Whether the alert lasts."""
        return self._raised is not None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(min(LOOK, self.limit / 4))
            self.look()
            await self.store()

    def look(self) -> None:
        """Raise or clear the alert, as things are now."""
        now = self._clock()
        if self._watch.is_up:
            self.was_active = self._active.is_set()
            self._clear(now)
            self._away_since = None
            return
        if self._away_since is None:
            self._away_since = now
        away_for = now - self._away_since
        if self._raised is None and self.was_active and away_for >= self.limit:
            found = of_database(away_for)
            self._raised = RaisedAlert(
                key=found.key, summary=found.summary, detail=found.detail, raised_at=datetime.now(UTC)
            )
            self._tell(self._raised)

    async def store(self) -> None:
        """Write down what is over; what the database does not take now is offered again."""
        try:
            while self._unstored:
                over = self._unstored[0]
                detail = orjson.dumps(dict(over.raised.detail)).decode()
                await self._session.fetch(
                    "alert_note", over.raised.key.alert, over.raised.summary, detail, over.seconds
                )
                del self._unstored[0]
        except (DatabaseAway, asyncpg.PostgresError):
            return  # whoever cannot do without the database tells of it

    def _clear(self, now: float) -> None:
        if self._raised is not None and self._away_since is not None:
            raised = replace(self._raised, detail={"away_s": round(now - self._away_since)})
            over = ClearedAlert(raised=raised, cleared_at=datetime.now(UTC))
            self._raised = None
            self._unstored = [*self._unstored[-MOST_UNSTORED:], over]
            self._tell(over)
