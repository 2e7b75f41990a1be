"""Finds what is due and has it handled, so many at a time, until it is told to stop."""

import asyncio
import contextlib
import logging
import time
from datetime import timedelta

from relay.receiver.attempt import Attempts, Due, Ending
from relay.receiver.intake import LOST, Pool
from relay.receiver.statements import statement

LOOK_LIMIT = 30.0
PAUSE_AFTER_ERROR = 1.0
MISSED_PAUSE = 1.0
"""Seconds until an event is looked at again that another process had."""

logger = logging.getLogger("relay.receiver")


class Workers:
    """A scout that looks for due events, and workers that each make one attempt at a time.

    Args:
        pool: With a connection for each worker.
        attempts: What is done with an event that is due.
        source: Whose events they are.
        count: How many attempts at once.
        poll_interval: How long nothing is looked for at most if nobody tells of anything.
    """

    def __init__(
        self,
        pool: Pool,
        attempts: Attempts,
        *,
        source: str,
        count: int,
        poll_interval: timedelta,
    ) -> None:
        self._pool = pool
        self._attempts = attempts
        self._source = source
        self._count = count
        self._poll_interval = poll_interval.total_seconds()
        self._queue: asyncio.Queue[Due | None] = asyncio.Queue()
        self._in_hand: set[int] = set()
        self._missed: dict[int, float] = {}
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._is_stopping = False

    def wake(self) -> None:
        """Look for events now."""
        self._wake.set()

    def stop(self) -> None:
        """Start nothing more; `run` returns once what was started has ended."""
        self._is_stopping = True
        self._wake.set()
        self._room.set()

    async def run(self) -> None:
        """Work until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._scout(), name="inbox scout")
            for number in range(self._count):
                tasks.create_task(self._work(), name=f"inbox worker {number + 1}")

    async def _scout(self) -> None:
        """Keep the queue filled: never more than two events a worker are in hand."""
        while not self._is_stopping:
            await self._room.wait()
            self._wake.clear()
            if not await self._look() and not self._is_stopping:
                await self._rest(self._poll_interval)
        for _ in range(self._count):
            self._queue.put_nowait(None)

    async def _look(self) -> bool:
        """Take what is due into hand, and return whether there was anything."""
        try:
            found = await self._find(2 * self._count - len(self._in_hand))
        except Exception as error:  # noqa: BLE001 - the border of the loop
            logger.warning("cannot look for events: %s: %s", type(error).__name__, error)
            await asyncio.sleep(PAUSE_AFTER_ERROR)
            return False
        for due in found:
            self._in_hand.add(due.seq)
            self._queue.put_nowait(due)
        self._tell_of_room()
        return bool(found)

    async def _find(self, most: int) -> list[Due]:
        now = time.monotonic()
        self._missed = {seq: until for seq, until in self._missed.items() if until > now}
        left_out = [*self._in_hand, *self._missed]
        async with asyncio.timeout(LOOK_LIMIT), self._pool.acquire() as connection:
            rows = await connection.fetch(statement("find_due"), self._source, left_out, most)
        return [Due(seq=row["seq"], key=row["ordering_key"]) for row in rows]

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _work(self) -> None:
        while (due := await self._queue.get()) is not None:
            if not self._is_stopping:
                await self._attempt(due)
            self._in_hand.discard(due.seq)
            self._tell_of_room()

    async def _attempt(self, due: Due) -> None:
        try:
            ending = await self._attempts.make(due)
        except LOST as error:
            logger.warning("the inbox's database was lost: %s: %s", type(error).__name__, error)
            await self._pool.expire_connections()
            await asyncio.sleep(PAUSE_AFTER_ERROR)
        except Exception:
            logger.exception("an attempt was rolled back")
            await asyncio.sleep(PAUSE_AFTER_ERROR)
        else:
            if ending is Ending.MISSED:
                self._missed[due.seq] = time.monotonic() + MISSED_PAUSE
            elif due.key is not None:
                self._wake.set()  # the next one of its key

    def _tell_of_room(self) -> None:
        if self._is_stopping or len(self._in_hand) <= self._count:
            self._room.set()
        else:
            self._room.clear()
