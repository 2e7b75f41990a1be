"""Time-outs for thousands of requests at once, for the price of two dictionary operations each."""

import asyncio
import time
from typing import Protocol

TICK = 0.05
"""Seconds between two looks; a deadline is met so much late at most."""
STALL = 0.5
"""Seconds by which a look is so late that the loop stood still: what came meanwhile was not read."""


class Expiring(Protocol):
    """What has a deadline."""

    def expire(self) -> None:
        """Its time is over."""


class Deadlines:
    """Tells what has run out of time; to be made with a running event loop.

    A timer of its own for each request costs the event loop more than signing does. Requests with the same time-out end
    in the order in which they began, so of each time-out only the oldest ones need to be looked at.

    Time in which the event loop stood still counts for nobody: that was our own fault, and the answer may lie there
    unread.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._by_timeout: dict[float, dict[Expiring, float]] = {}
        self._tick: asyncio.TimerHandle | None = None
        self._next_look = 0.0
        self._stalled_at = float("-inf")

    def begin(self, what: Expiring, timeout: float) -> None:
        """Let `what` expire in `timeout` seconds unless it comes to `end` before."""
        running = self._by_timeout.get(timeout)
        if running is None:
            running = self._by_timeout[timeout] = {}
            if self._tick is None:
                self._look_later(time.monotonic())
        running[what] = time.monotonic() + timeout

    def end(self, what: Expiring, timeout: float) -> None:
        """Forget `what`; it does not expire any more. It may have been forgotten before."""
        running = self._by_timeout.get(timeout)
        if running is not None:
            running.pop(what, None)

    def stalled_since(self, moment: float) -> bool:
        """Say whether the event loop stood still after that moment, monotonic seconds."""
        return self._stalled_at >= moment

    def stop(self) -> None:
        """Look no more."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._next_look > STALL:
            self._stalled_at = now
            self._grant(now - self._next_look)
        over = []
        for timeout, running in tuple(self._by_timeout.items()):
            for what, deadline in running.items():
                if deadline > now:
                    break
                over.append((running, what))
            if not running:
                del self._by_timeout[timeout]
        self._tick = None
        if self._by_timeout or over:
            self._look_later(now)
        for running, what in over:
            if running.pop(what, None) is not None:  # else the end of another one brought its end along
                what.expire()

    def _look_later(self, now: float) -> None:
        self._next_look = now + TICK
        self._tick = self._loop.call_later(TICK, self._look)

    def _grant(self, seconds: float) -> None:
        """Give all that are running so much more time."""
        for running in self._by_timeout.values():
            for what in running:
                running[what] += seconds
