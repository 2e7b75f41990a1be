"""What metrics are read from when somebody asks for them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from relay.observe.histogram import Histogram
from relay.observe.tally import Tally

EVERY = 15.0
"""Seconds between two looks at the backlog at least."""
MOST_BLOCKS = 1000
"""Of each table that are read for it; of a larger one the counts are estimates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The deliveries in one state.

    Attributes:
        deliveries: How many, if need be estimated.
        oldest_age: Seconds since the oldest of their events was inserted; None if that is not known.
    """

    deliveries: int
    oldest_age: float | None


Backlog = Mapping[str, Waiting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """The numbers that are kept, and the questions that can be asked without cost.

    Attributes:
        tally: What was counted of deliveries.
        claim_duration: Of the statement that claims.
        record_duration: Of the statement that records.
        max_endpoints: How many may have samples of their own.
        look_at_backlog: Brings `backlog` up to date; the one question that may have to wait for an answer.
        backlog: By state; None while it is not known.
        endpoints: Each endpoint's id and state.
        is_endpoint: Whether there is an endpoint of this id.
        alerts: How many alerts last, by name.
        in_flight: How many deliveries are in hand.
        notifications: How many wake-ups were heard.
        loop_lag: In seconds.
        is_active: Whether this relay works on the database.
        is_database_up: Whether it can be used.
        has_reloaded: Whether the last reload of the configuration went well.
    """

    tally: Tally
    claim_duration: Histogram
    record_duration: Histogram
    max_endpoints: int
    look_at_backlog: Callable[[], Awaitable[None]]
    backlog: Callable[[], Backlog | None]
    endpoints: Callable[[], Iterable[tuple[UUID, str]]]
    is_endpoint: Callable[[UUID], bool]
    alerts: Callable[[], Mapping[str, int]]
    in_flight: Callable[[], int]
    notifications: Callable[[], int]
    loop_lag: Callable[[], float]
    is_active: Callable[[], bool]
    is_database_up: Callable[[], bool]
    has_reloaded: Callable[[], bool]
