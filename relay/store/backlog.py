"""What waits in the database, asked for when somebody wants to know, and not too often."""

import asyncio
import time
from collections.abc import Callable, Iterable
from uuid import UUID

import asyncpg

from relay.observe.readings import EVERY, MOST_BLOCKS, Waiting
from relay.store.session import DatabaseAway, Session

LIMIT = 2.0
"""Seconds that a look may take, its turn on the session included."""


class BacklogWatch:
    """Keeps the last answer.

    Args:
        session: The admin session.
        active: Set while this relay works on the database; a standby has no backlog of its own.
        held: Returns the endpoints that take no deliveries now.
    """

    def __init__(
        self, session: Session, *, active: asyncio.Event, held: Callable[[], Iterable[UUID]]
    ) -> None:
        self._session = session
        self._active = active
        self._held = held
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()
        self._states: dict[str, Waiting] | None = None

    def states(self) -> dict[str, Waiting] | None:
        """Return what the last look found; None if it found nothing out, or is none of ours."""
        return self._states if self._active.is_set() else None

    async def look(self) -> None:
        """Ask, unless that was done a moment ago. Never raises: what cannot be known is None."""
        async with self._looking:
            if not self._active.is_set() or time.monotonic() < self._looked_at + EVERY:
                return
            self._looked_at = time.monotonic()
            self._states = None
            try:
                async with asyncio.timeout(LIMIT):
                    rows = await self._session.fetch("backlog", MOST_BLOCKS, list(self._held()))
            except (DatabaseAway, TimeoutError, asyncpg.PostgresError):
                return  # whoever cannot do without the database tells of it
        self._states = {
            row["state"]: Waiting(deliveries=row["deliveries"], oldest_age=row["oldest_age"]) for row in rows
        }
