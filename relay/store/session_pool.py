"""A few sessions for those who ask at any moment: the panel and its API. The pipeline has its own and no pool."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from relay.store.session import CAREFUL_SETTINGS, Session

SESSIONS = 4
WAIT = 5.0
"""Seconds that somebody waits for a session at most: then all are busy with slow questions."""
TIMEOUT = 10.0
"""Seconds that a statement of a page may take."""
LONG_TIMEOUT = 600.0
"""The same of a selection among a hundred million rows."""
_GRACE = 1.0
"""Seconds after which a statement is given up that the server should have ended."""
SETTINGS = {
    **CAREFUL_SETTINGS,
    "lock_timeout": "2s",
    # Filters may be there or not: a plan for no filter in particular would read everything.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
}


class AllBusy(Exception):  # noqa: N818 - it says what is the matter
    """No session became free in time."""


class SessionPool:
    """Lends sessions, each to one at a time.

    Args:
        dsn: The database.
        name: What the server's list of connections calls them.
        size: How many there are.
    """

    def __init__(self, dsn: str, *, name: str, size: int = SESSIONS) -> None:
        self._all = [_session(dsn, name, TIMEOUT) for _ in range(size)]
        self._free = list(self._all)
        self._places = asyncio.Semaphore(size)
        self._patient = _session(dsn, f"{name}, patient", LONG_TIMEOUT)
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend one; the last that was given back comes first, so that few connections are open when little is asked.

        Raises:
            AllBusy: None became free in time.
        """
        try:
            async with asyncio.timeout(WAIT):
                await self._places.acquire()
        except TimeoutError:
            raise AllBusy(
                "all connections of the panel are busy with slow questions; try again in a moment"
            ) from None
        session = self._free.pop()
        try:
            yield session
        finally:
            self._free.append(session)
            self._places.release()

    @asynccontextmanager
    async def patient(self) -> AsyncIterator[Session]:
        """Lend the one whose statements may take minutes.

        Raises:
            AllBusy: Somebody else has it, and keeps it.
        """
        try:
            async with asyncio.timeout(WAIT):
                await self._one_at_a_time.acquire()
        except TimeoutError:
            raise AllBusy("another large selection is being made; try again when it is done") from None
        try:
            yield self._patient
        finally:
            self._one_at_a_time.release()

    async def close(self) -> None:
        """Close all of them."""
        for session in (*self._all, self._patient):
            await session.close()


def _session(dsn: str, name: str, limit: float) -> Session:
    # The server keeps the limit: a connection that is closed does not end its statement there, and those of people who
    # ask again and again would take the connections that the pipeline needs.
    settings = {**SETTINGS, "statement_timeout": f"{limit:.0f}s"}
    return Session(dsn, name=name, settings=settings, timeout=limit + _GRACE)
