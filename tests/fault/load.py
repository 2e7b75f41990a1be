"""An application that goes on publishing whatever becomes of its database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from tests.support.application import Application

LOSSES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What an application sees of a database that goes away."""
_PAUSE = 0.02


async def publish_while(
    wanted: Callable[[], Awaitable[bool]],
    application: Application,
    *,
    batch: int = 1,
    after_loss: Callable[[], None] | None = None,
) -> None:
    """Publish batches as long as they are wanted, and connect again after every loss.

    Args:
        wanted: Waits until the next batch is due, and says whether it is.
        application: Keeps the books: committed is what its COMMIT returned for.
        batch: Events a transaction.
        after_loss: Called before it connects again.
    """
    number = 0
    while await wanted():
        payloads = [f'{{"number": {number + each}}}' for each in range(batch)]
        number += batch
        try:
            await application.insert_all(payloads)
        except LOSSES:
            await asyncio.sleep(_PAUSE)
            if after_loss is not None:
                after_loss()


@asynccontextmanager
async def steady_load(application: Application, *, rate: float, batch: int = 1) -> AsyncIterator[None]:
    """Publish about `rate` events a second for the length of the block, on a connection of its own.

    Args:
        application: Its database, and its books.
        rate: Events a second.
        batch: Events a transaction.
    """
    stop = asyncio.Event()

    async def wanted() -> bool:
        try:
            async with asyncio.timeout(batch / rate):
                await stop.wait()
        except TimeoutError:
            return True
        return False

    async with Application(application.dsn) as busy, asyncio.TaskGroup() as tasks:
        busy.books = application.books
        publishing = tasks.create_task(publish_while(wanted, busy, batch=batch))
        try:
            yield
        finally:
            stop.set()
            await publishing
