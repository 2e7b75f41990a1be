"""The database's clock, read without asking it."""

import time


class DatabaseClock:
    """Tells the time of the database from the monotonic clock and the last answer that carried a time.

    Schedules and log times come from the database's clock, so that a relay whose own clock is wrong keeps them right.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the Unix time by the database's clock."""
        return time.monotonic() + self._offset

    def heard(self, database_time: float, *, asked: float) -> None:
        """Take note of a time that came with an answer.

        Args:
            database_time: Unix time, as the database told it.
            asked: Monotonic time at which the statement was sent; the middle of the round trip is when it was read.
        """
        self._offset = database_time - (asked + time.monotonic()) / 2
