"""What the two stages that start deliveries share."""

import asyncio
from dataclasses import dataclass, field

from relay.endpoints.health import Standings
from relay.endpoints.rates import RateLimits
from relay.endpoints.registry import Registry
from relay.observe.tally import Tally
from relay.pipeline.dispatcher import Dispatcher
from relay.pipeline.due import DueTimes
from relay.pipeline.order import OrderKeeper
from relay.pipeline.slots import Slots
from relay.store.clock import DatabaseClock

PIECE = 8 * 1024 * 1024
"""Bytes of payload that one statement brings: more would hold up its connection, and stand in memory several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The parts that fan-out and scheduler work with.

    Attributes:
        instance: Who we are.
        registry: Knows the endpoints.
        standings: Tell which endpoints are left alone.
        slots: Tell how much may be taken.
        dispatcher: Gets the claims.
        clock: The database's.
        due: When which endpoint has work.
        tally: Counts what ends.
        order: Lets go what is held for an earlier delivery of its key.
        rates: Tell how many requests a second an endpoint may get.
        lease: Seconds that a claim is good for, beyond the longest time-out of an endpoint.
        leasing: Held while fan-out leases, and while what is leased but not in hand is released: else that would
            take away what was leased in between.
    """

    instance: int
    registry: Registry
    standings: Standings
    slots: Slots
    dispatcher: Dispatcher
    clock: DatabaseClock
    due: DueTimes
    tally: Tally
    rates: RateLimits
    order: OrderKeeper
    lease: float
    leasing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def claim_seconds(self) -> float:
        """How long a claim made now is good for."""
        return self.lease + self.registry.longest_timeout
