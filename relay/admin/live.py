"""What viewers see change: one look at the database for all of them, and none while nobody looks."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from relay.admin.operations import overview
from relay.admin.operations.overview import Picture
from relay.admin.problems import Problem, ProblemError
from relay.admin.samples import Samples
from relay.store.session_pool import SessionPool

EVERY = 2.0
"""Seconds from one look to the next."""
LASTS = 60.0
"""Seconds of a stream, after which the browser asks again, and has to be let in again."""
MOST_VIEWERS = 64
_MOST_KEPT = 256

LIVE: web.AppKey["Live"] = web.AppKey("live")
SAMPLES = web.AppKey("samples", Samples)
STOPPING = web.AppKey("stopping", asyncio.Event)
"""Set when the server stops: what streams ends then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    began: float
    picture: Picture


class Live:
    """Keeps the last look for each tenant, and one for everything.

    Args:
        sessions: For the database.
        clock: Monotonic seconds.
    """

    def __init__(self, sessions: SessionPool, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessions
        self._clock = clock
        self._kept: dict[str | None, _Kept] = {}
        self._looking = asyncio.Lock()
        self.viewers = 0

    async def picture(self, tenant: str | None, *, at_most: float = EVERY) -> Picture:
        """Return how it goes, as it was seen at most `at_most` seconds before somebody asked.

        Who asks while a look is under way waits for the next, which is then one for all of them.

        Raises:
            DatabaseAway: The database cannot be asked.
        """
        asked = self._clock()
        async with self._looking:
            kept = self._kept.get(tenant)
            if kept is None or kept.began < asked - at_most:
                kept = await self._look(tenant)
            return kept.picture

    @asynccontextmanager
    async def viewing(self) -> AsyncIterator[None]:
        """Count a viewer.

        Raises:
            ProblemError: There are enough (429).
        """
        if self.viewers >= MOST_VIEWERS:
            raise ProblemError(
                Problem(
                    status=429,
                    code="too_many_viewers",
                    detail=f"{MOST_VIEWERS} pages are live already; this one can be loaded again by hand",
                    headers={"Retry-After": "60"},
                )
            )
        self.viewers += 1
        try:
            yield
        finally:
            self.viewers -= 1

    async def _look(self, tenant: str | None) -> _Kept:
        began = self._clock()
        async with self._sessions.session() as session:
            picture = await overview.look(session, tenant)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[tenant] = kept = _Kept(began=began, picture=picture)
        return kept
