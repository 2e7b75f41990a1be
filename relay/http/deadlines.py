"""Time-outs for thousands of requests at once, for the price of two dictionary operations each."""

import asyncio

TICK = 0.05
"""Seconds between two looks; a deadline is met so much late at most."""


class Deadlines:
    """Cancels tasks whose time is over.

    A timer of its own for each request costs the event loop more than signing does. Requests with the same time-out end
    in the order in which they began, so of each time-out only the oldest ones need to be looked at.
    """

    def __init__(self) -> None:
        self._by_timeout: dict[float, dict[asyncio.Task[object], float]] = {}
        self._expired: set[asyncio.Task[object]] = set()
        self._tick: asyncio.TimerHandle | None = None

    def begin(self, task: "asyncio.Task[object]", timeout: float) -> None:
        """Cancel `task` in `timeout` seconds unless it comes to `end` before."""
        loop = asyncio.get_running_loop()
        self._by_timeout.setdefault(timeout, {})[task] = loop.time() + timeout
        if self._tick is None:
            self._tick = loop.call_later(TICK, self._look)

    def end(self, task: "asyncio.Task[object]", timeout: float) -> bool:
        """Forget `task`; True if it was cancelled because its time was over."""
        tasks = self._by_timeout.get(timeout)
        if tasks is not None:
            tasks.pop(task, None)
        if task in self._expired:
            self._expired.discard(task)
            return True
        return False

    def stop(self) -> None:
        """Look no more."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for timeout, tasks in tuple(self._by_timeout.items()):
            over = []
            for task, deadline in tasks.items():
                if deadline > now:
                    break
                over.append(task)
            for task in over:
                del tasks[task]
                self._expired.add(task)
                task.cancel()
            if not tasks:
                del self._by_timeout[timeout]
        self._tick = loop.call_later(TICK, self._look) if self._by_timeout else None
