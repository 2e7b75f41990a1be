"""The charged attempts of each endpoint, counted by what came back."""

from collections.abc import Callable
from uuid import UUID

CLASSES = ("error", "1xx", "2xx", "3xx", "4xx", "5xx")
"""What came back: a status of this class, or no answer."""
SUCCESS = CLASSES.index("2xx")
REPEATED = len(CLASSES)
"""The place after the classes: successes that ended no delivery, since it had ended before or was claimed again."""
MOST = 20_000
"""Endpoints with counts of their own; what is sent to others is counted together."""

Counts = list[int]


class EndpointCounts:
    """Counts of all endpoints; some of them have a name, under which metrics show them.

    Args:
        most_named: So many have one; the others are shown together.

    Attributes:
        by_id: In the order of `CLASSES`, then `REPEATED`.
    """

    def __init__(self, *, most_named: int) -> None:
        self._most_named = most_named
        self._named: dict[UUID, Counts] = {}  # what each had before it got its name
        self._rest: Counts = [0] * (REPEATED + 1)
        self.by_id: dict[UUID, Counts] = {}

    def of(self, endpoint_id: UUID) -> Counts:
        """Return the counts of an endpoint, to be added to."""
        counts = self.by_id.get(endpoint_id)
        if counts is None:
            if len(self.by_id) >= MOST:
                return self._rest
            counts = self.by_id[endpoint_id] = [0] * (REPEATED + 1)
            if len(self._named) < self._most_named:
                self._named[endpoint_id] = counts.copy()
        return counts

    def has(self, endpoint_id: UUID) -> bool:
        """Say whether all that is counted of an endpoint is counted as its own."""
        return endpoint_id in self.by_id or len(self.by_id) < MOST

    def forget(self, is_known: Callable[[UUID], bool]) -> None:
        """Drop the counts of endpoints that were removed; others get their names. No shown count ever falls."""
        for endpoint_id in [each for each in self.by_id if not is_known(each)]:
            counts = self.by_id.pop(endpoint_id)
            if self._named.pop(endpoint_id, None) is None:
                _add(self._rest, counts)
        if len(self._named) < self._most_named:
            self._give_names()

    def named(self) -> dict[UUID, Counts]:
        """Return what endpoints have counted since they got their names, in the order of `CLASSES`."""
        return {
            endpoint_id: [now - then for now, then in zip(self.by_id[endpoint_id], before, strict=True)][
                :REPEATED
            ]
            for endpoint_id, before in self._named.items()
        }

    def others(self) -> Counts:
        """Return what all others have counted, in the order of `CLASSES`."""
        total = self._rest.copy()
        if len(self.by_id) > len(self._named):
            for endpoint_id, counts in self.by_id.items():
                if endpoint_id not in self._named:
                    _add(total, counts)
        return total[:REPEATED]

    def _give_names(self) -> None:
        for endpoint_id, counts in self.by_id.items():
            if len(self._named) >= self._most_named:
                return
            if endpoint_id not in self._named:
                self._named[endpoint_id] = counts.copy()
                _add(self._rest, counts)  # it was shown among the others so far


def deliveries_of(counts: Counts) -> int:
    """Return how many deliveries these attempts ended well."""
    return counts[SUCCESS] - counts[REPEATED]


def _add(total: Counts, counts: Counts) -> None:
    for place, count in enumerate(counts):
        total[place] += count
