"""A started inbox: its parts, their tasks, and how it stops."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterable

from relay.receiver.intake import Intake, Pool
from relay.receiver.retention import Caretaker
from relay.receiver.workers import Workers

CLOSE_LIMIT = 10.0

logger = logging.getLogger("relay.receiver")


class Running:
    """The parts of a started inbox and their tasks.

    The order of `stop` is the way of an event backwards: nothing is stored after the writers have ended, and
    nothing is handled after the workers have.

    Args:
        pool: Closed at the end.
        intake: Stores.
        caretaker: Prunes, without an end.
        workers: Handle; None: nothing is handled here.
        watching: What else goes on without an end.
    """

    def __init__(
        self,
        pool: Pool,
        intake: Intake,
        caretaker: Caretaker,
        workers: Workers | None,
        watching: Iterable[Coroutine[None, None, None]],
    ) -> None:
        self.pool = pool
        self.intake = intake
        self.caretaker = caretaker
        self._workers = workers
        create = asyncio.get_running_loop().create_task
        self._writing = create(intake.run(), name="inbox intake")
        self._working = create(workers.run(), name="inbox workers") if workers else None
        self._watching = [create(each, name="inbox watch") for each in (caretaker.run(), *watching)]

    def wake(self) -> None:
        """Have the workers look now."""
        if self._workers is not None:
            self._workers.wake()

    async def stop(self, grace: float) -> None:
        """End everything, the workers within `grace` seconds."""
        if self._workers is not None:
            self._workers.stop()
        await self.intake.finish()
        try:
            await _ended(self._writing, grace)
            await _ended(self._working, grace)
        finally:
            for task in self._watching:
                task.cancel()
            await asyncio.wait(self._watching)
            await _close(self.pool)


async def _ended(task: "asyncio.Task[None] | None", limit: float) -> None:
    """Wait for the end of a task; cancel it when the limit is over."""
    if task is None:
        return
    done, _ = await asyncio.wait({task}, timeout=limit)
    if not done:
        logger.warning("%s did not end within %g s and is cancelled", task.get_name(), limit)
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s failed", task.get_name(), exc_info=error)


async def _close(pool: Pool) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_LIMIT):
            await pool.close()
            return
    pool.terminate()
