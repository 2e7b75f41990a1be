"""How late the event loop is: the first sign that something blocks it or that the machine is overloaded."""

import asyncio
import math

from relay.observe.logs import get_logger

log = get_logger()

_STALLED = 1.0


class LoopLag:
    """Measures the loop's lag again and again.

    Args:
        interval: Seconds between two measurements.
    """

    def __init__(self, interval: float = 1.0) -> None:
        self._interval = interval
        self._last = 0.0
        self._expected = math.inf

    def current(self) -> float:
        """Return the lag in seconds: the last one measured, or the one going on if that is more."""
        return max(self._last, asyncio.get_running_loop().time() - self._expected)

    async def watch(self) -> None:
        """Measure until cancelled, and log `loop.stalled` for every lag of more than a second."""
        loop = asyncio.get_running_loop()
        while True:
            self._expected = loop.time() + self._interval
            await asyncio.sleep(self._interval)
            self._last = max(0.0, loop.time() - self._expected)
            if self._last > _STALLED:
                log.warning("loop.stalled", lag_ms=round(self._last * 1000))
