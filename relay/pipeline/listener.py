"""Waking up: NOTIFY as a hint, polling as the guarantee.

Applications' commits send a NOTIFY only while the relay says that it sleeps. Going to sleep therefore has an order:
raise the flag, look, go on looking until every transaction that may have missed the flag has ended (but no longer than
a second: polling finds a slower one), then wait. In haste it does not go to sleep, but looks again and again.
"""

import asyncio
import time
from typing import Any

import asyncpg

from relay.pipeline.cursor import parse_snapshot
from relay.pipeline.haste import Haste
from relay.store.session import Session

CHANNEL = "relay_wake"
ARMED_FOR = 20.0
"""Seconds that the flag stays up by itself; so a relay that died costs applications nothing for long."""
RENEWED_AFTER = 10.0
LONGEST_SETTLING = 1.0
SETTLING_POLL = 0.005
EMPTY_LOOKS = 3
SHORTEST_REST = 0.002
"""Seconds that a look rests when so many before it found nothing."""
HASTY_REST = 0.001
"""Seconds that a look rests in haste when the one before it found nothing. Longer ones are felt in the latency, and
shorter ones take from those who commit what they gain by not notifying."""


class Listener:
    """Hears notifications on a session that something else keeps alive."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.notifications = 0
        self.haste = Haste(now=time.monotonic())

    async def listen(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Listen on this connection; whatever was missed while there was none is looked for."""
        await connection.add_listener(CHANNEL, self._heard)
        self.woken.set()

    def _heard(self, _connection: Any, committer: int, *_: Any) -> None:
        self.notifications += 1
        self.haste.heard(committer)
        self.woken.set()


class Rest:
    """Decides how long the fan-out waits between two looks.

    Args:
        session: The one that looks.
        listener: Hears notifications.
        poll_interval: Longest wait in seconds.
        listen: Whether to ask for notifications at all.
    """

    def __init__(self, *, session: Session, listener: Listener, poll_interval: float, listen: bool) -> None:
        self._session = session
        self._listener = listener
        self._poll_interval = poll_interval
        self._listen = listen
        self._armed_at: float | None = None
        self._settling_until: float | None = None
        self._settled_at: int | None = None
        self._empty = 0
        self._is_over = False

    def begin_look(self) -> None:
        """Note that a look with a snapshot of its own begins: it sees all that was notified before."""
        self._listener.woken.clear()

    def wake(self) -> None:
        """End the wait: there is something to be looked at."""
        self._listener.woken.set()

    def end(self) -> None:
        """Wait no more: it is to stop."""
        self._is_over = True
        self._listener.woken.set()

    def forget(self) -> None:
        """Note that the session was lost: whether the flag is up is not known."""
        self._armed_at = None

    async def after_look(self, found: int, snapshot: str, *, has_more: bool) -> None:
        """Wait until another look is due.

        While the flag is up, and nobody can have missed it, whatever commits from now on is notified.

        Args:
            found: How many events the look found.
            snapshot: What it saw.
            has_more: There is more to be had at once.
        """
        self._empty = 0 if found else self._empty + 1
        await self._judge_haste(found, has_more=has_more)
        if has_more:
            return
        if not self._listen:
            await self._wait(0.0 if found else self._poll_interval)
        elif self._listener.haste.is_on:
            await asyncio.sleep(0.0 if found else HASTY_REST)
        elif found and self._armed_at is None:
            return  # not asleep yet: look until nothing is left
        elif not await self._is_armed():
            return
        elif self._settling_until is not None and not self._has_settled(snapshot):
            await self._wait(0.0 if found else SETTLING_POLL)
        else:
            await self._wait(min(self._poll_interval, RENEWED_AFTER))

    async def _judge_haste(self, found: int, *, has_more: bool) -> None:
        """Take the flag down when commits come so thick that they need not, and better did not, notify."""
        if self._listener.haste.saw(found, has_more=has_more, now=time.monotonic()):
            self._armed_at = None
            await self._session.fetch("arm", 0.0)

    async def _is_armed(self) -> bool:
        """Raise the flag if it is due; False if it was down, so that the next look comes after it."""
        now = time.monotonic()
        if self._armed_at is not None and now - self._armed_at < RENEWED_AFTER:
            return True
        was_up = self._armed_at is not None and now - self._armed_at < ARMED_FOR - 1.0
        await self._session.fetch("arm", ARMED_FOR)
        self._armed_at = now
        if not was_up:
            self._settling_until = now + LONGEST_SETTLING
            self._settled_at = None
        return was_up

    def _has_settled(self, snapshot: str) -> bool:
        """Say whether everything that was in progress when the flag went up has ended."""
        xmin, xmax, _ = parse_snapshot(snapshot)
        if self._settled_at is None:
            self._settled_at = xmax
        is_late = self._settling_until is not None and time.monotonic() > self._settling_until
        if xmin >= self._settled_at or is_late:
            self._settling_until = None
            return True
        return False

    async def _wait(self, limit: float) -> None:
        if self._is_over:
            return
        if self._empty >= EMPTY_LOOKS:
            # They were woken for nothing: a flood of notifications must not become a flood of looks.
            await asyncio.sleep(min(SHORTEST_REST, limit))
        if limit and not self._listener.woken.is_set():
            try:
                async with asyncio.timeout(limit):
                    await self._listener.woken.wait()
            except TimeoutError:
                pass  # nobody spoke up: the poll
