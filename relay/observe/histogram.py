"""A histogram in plain numbers, cheap enough to be filled for every delivery."""

from bisect import bisect_left


class Histogram:
    """Counts durations by the first of its bounds that they do not exceed.

    Args:
        bounds: Seconds, ascending; what is longer than the last is counted after it.

    Attributes:
        counts: One more than there are bounds; not cumulative.
        total: The sum of all durations in seconds; never falls.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration; less than nothing, as between two clocks, is nothing."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        if seconds > 0:
            self.total += seconds
