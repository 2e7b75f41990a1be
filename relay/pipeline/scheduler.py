"""Claims deliveries whose time has come, for the endpoints that have room."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from relay.model import Claim
from relay.observe.logs import get_logger
from relay.pipeline.desk import PIECE, Desk
from relay.pipeline.rows import claim_of
from relay.store.session import Session

log = get_logger()

MOST_A_CLAIM = 250
LOCKED_PAUSE = 1.0
"""Seconds until an endpoint is asked again whose due deliveries somebody else holds locked."""


class Scheduler:
    """Claims what is due and hands it to the dispatcher.

    Args:
        session: Its own connection.
        desk: The parts it works with.

    Attributes:
        suspects_strays: Deliveries may be leased to us that are not in hand.
    """

    def __init__(self, session: Session, desk: Desk) -> None:
        self._session = session
        self._desk = desk
        self._waiting: dict[UUID, None] = {}
        self.suspects_strays = False
        self._claiming = asyncio.Lock()

    def suspect_strays(self) -> None:
        """Note that a reply was lost: deliveries may be leased to us that are not in hand."""
        self.suspects_strays = True

    async def step(self) -> bool:
        """Claim once; returns whether it is worth to ask again at once.

        Raises:
            DatabaseAway: Nothing is known of what was under way.
        """
        async with self._claiming:
            if self.suspects_strays:
                await self._release_strays()
            self._waiting.update(dict.fromkeys(self._desk.due.take_due()))
            rooms, unknown = self._rooms()
            has_claimed = bool(rooms) and await self._claim(rooms)
            has_ended = bool(unknown) and await self._end_unknown(unknown)
            return has_ended or has_claimed

    async def survey(self, session: Session) -> None:
        """Ask the database which endpoints have scheduled work, for what memory may have missed.

        Args:
            session: One that the claims do not wait behind.

        Raises:
            DatabaseAway: As of any statement.
        """
        for row in await session.fetch("due_endpoints"):
            self._desk.due.note(row["endpoint_id"], row["due_in"])

    def _rooms(self) -> tuple[dict[UUID, int], list[UUID]]:
        """Reserve slots for endpoints with due work.

        Returns:
            How many for which endpoint, and the endpoints that are not in the registry.
        """
        slots, registry, rooms = self._desk.slots, self._desk.registry, dict[UUID, int]()
        left = MOST_A_CLAIM if slots.has_bytes else 0
        slots.due_waits = False
        unknown: list[UUID] = []
        for endpoint_id in tuple(self._waiting):
            endpoint = registry.get(endpoint_id)
            if endpoint is None:
                if registry.version:  # else the first look has yet to read it
                    unknown.append(endpoint_id)
                    self._desk.rates.forget(endpoint_id)
            elif endpoint.hold is not None:
                del self._waiting[endpoint_id]  # its resumption is noted as due
            elif seconds := self._desk.rates.wait(endpoint) or self._desk.standings.blocked_for(endpoint_id):
                del self._waiting[endpoint_id]
                self._desk.due.note(endpoint_id, seconds)
            elif own := self._desk.rates.at_most(slots.own_room(endpoint), endpoint):
                slots.due_waits = not slots.free_for_due
                room = min(own, slots.free_for_due, left)
                if not room:
                    break  # it and the others come with the next claim
                slots.reserve(endpoint_id, room)
                rooms[endpoint_id] = room
                left -= room
        return rooms, unknown

    async def _claim(self, rooms: dict[UUID, int]) -> bool:
        """Claim for these endpoints, whose slots are reserved; returns whether it is worth to ask again at once."""
        asked = time.monotonic()
        lease = self._desk.claim_seconds
        for endpoint_id in rooms:
            del self._waiting[endpoint_id]
        try:
            rows = await self._session.fetch(
                "claim_due",
                list(rooms),
                list(rooms.values()),
                self._desk.instance,
                lease,
                min(self._desk.slots.free_bytes, PIECE),
                self._desk.slots.in_hand == 0 or self._desk.slots.free_bytes > PIECE,
            )
        except BaseException:
            self._waiting.update(dict.fromkeys(rooms))
            raise
        finally:
            self._desk.slots.unreserve(rooms)
        self._desk.clock.heard(rows[0]["database_time"], asked=asked)
        self._desk.registry.end_secrets(self._desk.clock.now())
        claims = self._take(rows)
        self._desk.dispatcher.dispatch(claims)
        claimed = Counter(claim.endpoint_id for claim in claims)
        for endpoint_id, count in claimed.items():
            self._desk.rates.spend(endpoint_id, count)
        return self._look_ahead(rows, rooms, claimed)

    def _take(self, rows: Sequence[asyncpg.Record]) -> list[Claim]:
        claims = [claim_of(row) for row in rows if row["event_seq"] is not None]
        # In hand already: its lease ran out before its outcome could be recorded. One of them is enough.
        take = self._desk.slots.take
        return [claim for claim in claims if take(claim.key, claim.size, is_retry=claim.attempts > 0)]

    def _look_ahead(
        self, rows: Sequence[asyncpg.Record], rooms: dict[UUID, int], claimed: Counter[UUID]
    ) -> bool:
        """Note when each endpoint is due next; returns whether it is worth to ask again at once.

        It is if anything was claimed, or if an endpoint that had nothing made way for another. If all there is was
        only too large for the bytes that are free, the next slot that is given back is to be waited for.
        """
        has_made_way = False
        for row in rows:
            if row["event_seq"] is not None:
                continue
            endpoint_id = row["endpoint_id"]
            if row["found"] >= rooms[endpoint_id] or row["found"] > claimed[endpoint_id]:
                self._waiting[endpoint_id] = None
                continue
            has_made_way = True
            if row["some_locked"]:
                self._desk.due.note(endpoint_id, LOCKED_PAUSE)
            if row["next_due_in"] is not None:
                self._desk.due.note(endpoint_id, row["next_due_in"])
        return bool(self._waiting) and (bool(claimed) or has_made_way)

    async def _release_strays(self) -> None:
        async with self._desk.leasing:
            self.suspects_strays = False  # what is suspected from here on needs another look
            keys = self._desk.slots.keys()
            try:
                rows = await self._session.fetch(
                    "release_strays", self._desk.instance, [key[0] for key in keys], [key[1] for key in keys]
                )
            except BaseException:
                self.suspects_strays = True
                raise
        for row in rows:
            self._desk.due.note(row["endpoint_id"], 0.0)

    async def _end_unknown(self, endpoint_ids: list[UUID]) -> bool:
        """End deliveries whose endpoint is not there, as many as one statement takes; returns whether it found any."""
        rows = await self._session.fetch("end_unknown", endpoint_ids)
        self._desk.tally.ended("dead", len(rows))
        for row in rows:
            log.error(
                "delivery.dead",
                event_id=str(row["event_id"]),
                event_type=row["event_type"],
                endpoint_id=str(row["endpoint_id"]),
                reason="endpoint_removed",
            )
        if not rows:
            for endpoint_id in endpoint_ids:
                self._waiting.pop(endpoint_id, None)
        return bool(rows)
