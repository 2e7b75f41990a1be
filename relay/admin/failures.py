"""How often somebody may show a wrong token."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

ALLOWED = 10
WINDOW = 60.0
MOST_PEERS = 10_000


class Failures:
    """Counts failures by peer: ten a minute, then that peer has to wait.

    Args:
        clock: Tells seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, peer: str) -> float:
        """Return how many seconds a peer has to wait; zero if it may try."""
        times = self._recent(peer)
        return 0.0 if len(times) < ALLOWED else max(0.0, times[0] + WINDOW - self._clock())

    def note(self, peer: str) -> None:
        """Note that a peer failed."""
        times = self._recent(peer)
        times.append(self._clock())
        self._times[peer] = times
        self._times.move_to_end(peer)
        while len(self._times) > MOST_PEERS:
            self._times.popitem(last=False)

    def _recent(self, peer: str) -> deque[float]:
        times = self._times.get(peer, deque())
        since = self._clock() - WINDOW
        while times and times[0] <= since:
            times.popleft()
        if not times:
            self._times.pop(peer, None)
        return times
