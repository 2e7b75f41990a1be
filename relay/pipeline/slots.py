"""The rights to have claims in hand: claimed and not yet recorded is never more than there are slots."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from relay.endpoints.endpoint import Endpoint

Key = tuple[int, UUID]


class Slots:
    """Counts what is in hand, in all and by endpoint, in deliveries and in bytes.

    A slot is taken before the statement that claims, and given back when the outcome is committed. What is in hand is
    also the answer to "which leases of ours are strays".

    Args:
        total: Most claims in hand.
        total_bytes: Most bytes of payload in hand.
        freed: Set whenever a slot was given back.
    """

    def __init__(self, *, total: int, total_bytes: int, freed: asyncio.Event) -> None:
        self._total = total
        self._total_bytes = total_bytes
        self._freed = freed
        self._has_free = asyncio.Event()
        self._bytes = 0
        self._in_hand: dict[Key, int] = {}
        self._used: Counter[UUID] = Counter()
        self._reserved = 0

    @property
    def in_hand(self) -> int:
        """How many claims this process holds."""
        return len(self._in_hand)

    @property
    def free(self) -> int:
        """How many more it may hold."""
        return max(self._total - len(self._in_hand) - self._reserved, 0)

    @property
    def free_bytes(self) -> int:
        """How many more bytes of payload it may hold."""
        return max(self._total_bytes - self._bytes, 0)

    @property
    def has_bytes(self) -> bool:
        """Whether there is room for any payload: there always is when nothing is in hand."""
        return self.free_bytes > 0 or not self._in_hand

    def has_room_for(self, size: int) -> bool:
        """Say whether `size` more bytes of payload may be held; one delivery always may."""
        return size <= self.free_bytes or not self._in_hand

    async def wait_for_some(self, limit: float) -> None:
        """Wait until slots were given back, but at most `limit` seconds."""
        self._has_free.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._has_free.wait()

    def keys(self) -> list[Key]:
        """Return the deliveries in hand."""
        return list(self._in_hand)

    def room(self, endpoint: Endpoint) -> int:
        """Return how many more deliveries may be taken for this endpoint."""
        return max(min(endpoint.max_in_flight - self._used[endpoint.id], self.free), 0)

    def reserve(self, rooms: Mapping[UUID, int]) -> None:
        """Keep so many slots of each endpoint while a claim is under way whose deliveries are not known yet."""
        self._used.update(rooms)
        self._reserved += sum(rooms.values())

    def unreserve(self, rooms: Mapping[UUID, int]) -> None:
        """Let go of what was reserved."""
        self._reserved -= sum(rooms.values())
        for endpoint_id, count in rooms.items():
            self._let_go(endpoint_id, count)

    def take(self, key: Key, size: int) -> bool:
        """Take a slot for a delivery of `size` bytes; False if it is in hand already."""
        if key in self._in_hand:
            return False
        self._in_hand[key] = size
        self._bytes += size
        self._used[key[1]] += 1
        return True

    def take_for(self, endpoint: Endpoint, seq: int, size: int) -> bool:
        """Take a slot for a delivery of `size` bytes if there is room for it, in all and for its endpoint."""
        used = self._used[endpoint.id]
        if (
            used >= endpoint.max_in_flight
            or len(self._in_hand) + self._reserved >= self._total
            or (self._bytes + size > self._total_bytes and self._in_hand)
        ):
            return False
        key = (seq, endpoint.id)
        if key in self._in_hand:
            return False
        self._in_hand[key] = size
        self._bytes += size
        self._used[endpoint.id] = used + 1
        return True

    def give_back(self, key: Key) -> None:
        """Give the slot of a delivery back."""
        self._bytes -= self._in_hand.pop(key)
        self._let_go(key[1], 1)
        self._freed.set()
        self._has_free.set()

    def _let_go(self, endpoint_id: UUID, count: int) -> None:
        self._used[endpoint_id] -= count
        if self._used[endpoint_id] <= 0:
            del self._used[endpoint_id]
