"""The database's clock, read without asking it."""

import time
from collections.abc import Callable


class DatabaseClock:
    """Tells the time of the database from the monotonic clock and the answers that carried a time.

    Schedules and log times come from the database's clock, so that a relay whose own clock is wrong keeps them right.

    An answer tells the time to half of its round trip, which is long when the loop or the database is busy. So what a
    quick answer told stays, until a quicker one comes or one that contradicts it: then the clocks have drifted apart,
    or one was set.

    Args:
        monotonic: Seconds that never go back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset = time.time() - monotonic()
        self._error = float("inf")

    def now(self) -> float:
        """Return the Unix time by the database's clock."""
        return self._monotonic() + self._offset

    def heard(self, database_time: float, *, asked: float) -> None:
        """Take note of a time that came with an answer.

        Args:
            database_time: Unix time, as the database told it.
            asked: Monotonic time at which the statement was sent; it was read then, or later, up to now.
        """
        answered = self._monotonic()
        offset, error = database_time - (asked + answered) / 2, (answered - asked) / 2
        if error <= self._error or abs(offset - self._offset) > error:
            self._offset, self._error = offset, error
