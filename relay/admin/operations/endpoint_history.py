"""How the attempts at an endpoint went over the last day."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from relay.store.session import Session

STRETCH = timedelta(minutes=30)
STRETCHES = 48
MOST_BLOCKS = 2000
"""Of each day of the log that are read; of a larger one the counts are estimates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Attempts of half an hour.

    Attributes:
        delivered: How many ended with a success, if need be estimated.
        failed: How many did not.
    """

    begins: datetime
    delivered: int
    failed: int
    is_estimate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The last day, from its beginning, without gaps."""

    stretches: tuple[Stretch, ...]

    @property
    def delivered(self) -> int:
        """How many attempts succeeded."""
        return sum(each.delivered for each in self.stretches)

    @property
    def failed(self) -> int:
        """How many did not."""
        return sum(each.failed for each in self.stretches)

    @property
    def is_estimate(self) -> bool:
        """Whether the log was too large to count."""
        return any(each.is_estimate for each in self.stretches)


async def of(session: Session, endpoint_id: UUID) -> History:
    """Return how the attempts at an endpoint went."""
    rows = await session.fetch("endpoint_history", endpoint_id, MOST_BLOCKS, STRETCH, STRETCHES)
    return History(stretches=tuple(Stretch(**row) for row in rows))
