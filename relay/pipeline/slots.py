"""The rights to have claims in hand: claimed and not yet recorded is never more than there are slots."""

import asyncio
import contextlib
from collections.abc import Mapping
from uuid import UUID

from relay.endpoints.endpoint import Endpoint
from relay.endpoints.health import Standings
from relay.endpoints.limits import quarter

Key = tuple[int, UUID]


class Slots:
    """Counts what is in hand, in all and by endpoint, in deliveries and in bytes; three shares keep it fair.

    A slot is taken before the statement that claims, and given back when the outcome is committed. What is in hand is
    also the answer to "which leases of ours are strays".

    Endpoints that are not proven have at most a quarter of the slots together, so that silent ones cannot hold all of
    them for a whole time-out. Retries never have the last quarter, which is for first attempts; and new events leave a
    quarter to what is due, while it waits for slots. What is due takes half of what is free while new events wait: else
    it would take all, new events would be written down as due for want of slots, and so on.

    Args:
        total: Most claims in hand.
        total_bytes: Most bytes of payload in hand.
        freed: Set whenever a slot was given back.
        standings: Tell how much each endpoint may have.

    Attributes:
        new_waits: New events are known to wait for slots, so what is due takes no more than half of what is free.
    """

    def __init__(self, *, total: int, total_bytes: int, freed: asyncio.Event, standings: Standings) -> None:
        self._total = total
        self._total_bytes = total_bytes
        self._freed = freed
        self._has_free = asyncio.Event()
        self._standings = standings
        self._share = quarter(total)
        self._most_unproven = max(self._share, 1)
        self._bytes = 0
        self._first: dict[Key, int] = {}
        self._retries: dict[Key, int] = {}
        self._reserved = 0
        self._due_waits = False
        self.new_waits = False

    @property
    def in_hand(self) -> int:
        """How many claims this process holds."""
        return len(self._first) + len(self._retries)

    @property
    def due_waits(self) -> bool:
        """Whether deliveries are due, of endpoints that have room, and wait for slots."""
        return self._due_waits

    @due_waits.setter
    def due_waits(self, waits: bool) -> None:
        self._due_waits = waits
        if not waits:
            self._has_free.set()

    @property
    def free(self) -> int:
        """How many more it may hold."""
        return max(self._total - self.in_hand - self._reserved, 0)

    @property
    def free_for_new(self) -> int:
        """How many more it may hold of events that are fanned out now."""
        free = self._total - len(self._first) - len(self._retries) - self._reserved
        if self._due_waits:
            free -= max(self._share - len(self._retries) - self._reserved, 0)
        return max(0, free)

    @property
    def free_to_lease(self) -> int:
        """How many new events' deliveries may be leased now: none while there is no room for another byte."""
        return self.free_for_new if self.has_bytes else 0

    @property
    def free_for_due(self) -> int:
        """How many more it may hold of what is due, which may be retries all of it."""
        free = (self.free + 1) // 2 if self.new_waits else self.free
        most_retries = self._total - self._share - len(self._retries) - self._reserved
        return max(min(free, most_retries), 0)

    @property
    def free_bytes(self) -> int:
        """How many more bytes of payload it may hold."""
        return max(self._total_bytes - self._bytes, 0)

    @property
    def has_bytes(self) -> bool:
        """Whether there is room for any payload: there always is when nothing is in hand."""
        return self.free_bytes > 0 or not self.in_hand

    def has_room_for(self, size: int) -> bool:
        """Say whether `size` more bytes of payload may be held; one delivery always may."""
        return size <= self.free_bytes or not self.in_hand

    async def wait_for_some(self, count: int, limit: float) -> None:
        """Wait until there are `count` slots for new events, but at most `limit` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while self.free_to_lease < count:
                    self._has_free.clear()
                    await self._has_free.wait()

    @property
    def lump(self) -> int:
        """Slots that are worth a statement of their own, if more events wait than there are slots."""
        return max(self._total // 8, 1)

    def keys(self) -> list[Key]:
        """Return the deliveries in hand."""
        return [*self._first, *self._retries]

    def room(self, endpoint: Endpoint) -> int:
        """Return how many deliveries of new events may be taken for this endpoint."""
        return min(self.own_room(endpoint), self.free_for_new)

    def own_room(self, endpoint: Endpoint) -> int:
        """Return how many more deliveries this endpoint may have, if there are slots."""
        standing = self._standings.of(endpoint.id)
        if standing.is_throttled:
            return 0
        room = min(standing.allowed, endpoint.max_in_flight) - standing.in_hand
        if not standing.is_proven:
            room = min(room, self._unproven_room(standing.in_hand))
        return max(0, room)

    def _unproven_room(self, in_hand: int) -> int:
        """Return what is left of the part of the unproven; the last half of it is for one delivery of each."""
        left = self._most_unproven - self._standings.unproven_in_hand
        return left if left > self._most_unproven // 2 else min(left, 1 - in_hand)

    def reserve(self, endpoint_id: UUID, count: int) -> None:
        """Keep so many slots of an endpoint while a claim is under way whose deliveries are not known yet."""
        self._standings.hold(endpoint_id, count)
        self._reserved += count

    def unreserve(self, rooms: Mapping[UUID, int]) -> None:
        """Let go of what was reserved."""
        for endpoint_id, count in rooms.items():
            self._standings.let_go(endpoint_id, count)
            self._reserved -= count
        self._has_free.set()

    def take(self, key: Key, size: int, *, is_retry: bool = False) -> bool:
        """Take a slot for a delivery of `size` bytes; False if it is in hand already."""
        if key in self._first or key in self._retries:
            return False
        (self._retries if is_retry else self._first)[key] = size
        self._bytes += size
        self._standings.hold(key[1], 1)
        return True

    def take_for(self, endpoint: Endpoint, seq: int, size: int) -> bool:
        """Take a slot for a delivery of a new event, if there is room for its bytes, in all and for its endpoint.

        With a rate limit it is claimed instead: it must not overtake what waits already.
        """
        if endpoint.rate_limit is not None or self.room(endpoint) <= 0 or not self.has_room_for(size):
            return False
        return self.take((seq, endpoint.id), size)

    def give_back(self, key: Key) -> None:
        """Give the slot of a delivery back."""
        self._bytes -= self._first.pop(key) if key in self._first else self._retries.pop(key)
        self._standings.let_go(key[1], 1)
        self._freed.set()
        self._has_free.set()
