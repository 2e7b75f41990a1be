"""Waiting for conditions: told of every change, or asking the database again and again; never sleeping for luck."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

LIMIT = 20.0
"""Seconds after which a test gives up, generous since the machine may be busy."""
ASKED_EVERY = 0.01


class Changes:
    """Lets tasks wait for a condition on something that tells of each of its changes."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def tell(self) -> None:
        """Have all who wait look at their condition again."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def wait_for(
        self, look: Callable[[], T], what: str | Callable[[], str], *, limit: float = LIMIT
    ) -> T:
        """Wait until `look` returns something true, and return that.

        Args:
            look: Looked at after each change.
            what: What is waited for, for the message of the failure.
            limit: Seconds.

        Raises:
            AssertionError: It did not come about in time.
        """
        deadline = time.monotonic() + limit
        while not (found := look()):
            told = asyncio.get_running_loop().create_future()
            self._waiting.add(told)
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await told
            except TimeoutError:
                text = what if isinstance(what, str) else what()
                raise AssertionError(f"not within {limit:g} s: {text}") from None
            finally:
                self._waiting.discard(told)
        return found


async def eventually(ask: Callable[[], Awaitable[T]], what: str, *, limit: float = LIMIT) -> T:
    """Ask, as of a database that cannot tell, until the answer is true, and return it.

    Raises:
        AssertionError: It did not come about in time.
    """
    deadline = time.monotonic() + limit
    while not (found := await ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit:g} s: {what}; the last answer was {found!r}")
        await asyncio.sleep(ASKED_EVERY)
    return found
