"""Whether the database is there, as the sessions that use it find out."""

import asyncio
import random

import asyncpg

from relay.observe.logs import get_logger

log = get_logger()

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0


class DatabaseWatch:
    """Says once that the database is lost and once that it is back, however many sessions notice."""

    def __init__(self) -> None:
        self._without: set[str] = set()

    @property
    def is_up(self) -> bool:
        """Whether no session is without it."""
        return not self._without

    def lost(self, who: str, error: Exception) -> None:
        """Note that `who` could not reach the database."""
        if not self._without:
            log.error("database.lost", part=who, detail=str(error) or type(error).__name__)
        self._without.add(who)

    def found(self, who: str) -> None:
        """Note that `who` reached it."""
        if who in self._without:
            self._without.discard(who)
            if not self._without:
                log.info("database.restored")


class Backoff:
    """Pauses one loop between its tries to reach the database, jittered and never over a second.

    Args:
        watch: Told of losses and returns.
        who: The loop, for the watch.
    """

    def __init__(self, watch: DatabaseWatch, who: str) -> None:
        self._watch = watch
        self._who = who
        self._pause = FIRST_PAUSE

    async def failed(self, error: Exception) -> None:
        """Note a failure and wait for the next try.

        Args:
            error: `DatabaseAway`, or what the server said to a statement that ought to have gone through.
        """
        if isinstance(error, asyncpg.PostgresError):
            log.error("database.refused", part=self._who, detail=str(error))
        self._watch.lost(self._who, error)
        await asyncio.sleep(self._pause * (0.5 + random.random()))  # noqa: S311 - jitter
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def succeeded(self) -> None:
        """Note that the database answered."""
        self._watch.found(self._who)
        self._pause = FIRST_PAUSE
