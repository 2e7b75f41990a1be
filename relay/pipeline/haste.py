"""Whether commits come so thick that NOTIFY would hold them up. Pure."""

WINDOW = 0.1
"""Seconds that are judged together."""
SEVERAL = 4
"""Sessions that commit within a window, and so may wait for each other's NOTIFY."""
NOTIFIED = 20
"""Notifications in a window that are many if they come from several sessions."""
NOTIFIED_BY_FEW = 200
"""Notifications in a window that are many, whoever sends them: each costs something."""
LEAST_RATE = 100.0
"""Events a second below which notifications hold nobody up."""


class Haste:
    """Judges, look by look, whether to go on looking rather than to be notified.

    A NOTIFY takes a lock of the whole server until its commit has reached the disk: whoever commits at the same time
    waits, instead of sharing one flush with others. So while many commit, nobody is asked to notify; then what is found
    tells when they have become fewer.

    Args:
        now: Monotonic seconds.
    """

    def __init__(self, *, now: float) -> None:
        self.is_on = False
        self._since = now
        self._notified = 0
        self._committers: set[int] = set()
        self._events = 0

    def heard(self, committer: int) -> None:
        """Note a notification.

        Args:
            committer: The server process of the session that sent it.
        """
        self._notified += 1
        if len(self._committers) < SEVERAL:
            self._committers.add(committer)

    def saw(self, found: int, *, has_more: bool, now: float) -> bool:
        """Note a look; returns whether haste has just begun.

        Args:
            found: How many events it found.
            has_more: There is more to be had at once.
            now: Monotonic seconds.
        """
        self._events += found
        elapsed = now - self._since
        many = NOTIFIED if len(self._committers) >= SEVERAL else NOTIFIED_BY_FEW
        windows = max(elapsed / WINDOW, 1.0)
        # Notifications without events are noise: whoever sends them is not to set the pace.
        has_begun = not self.is_on and min(self._notified, self._events) >= windows * many
        if has_begun:
            self.is_on = True
        elif elapsed < WINDOW:
            return False
        elif self.is_on:
            self.is_on = has_more or self._events >= elapsed * LEAST_RATE
        self._since, self._notified, self._events = now, 0, 0
        self._committers.clear()
        return has_begun
