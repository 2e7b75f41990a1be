"""Turns committed events into deliveries: look, match, write, hand on."""

import asyncio
import time
from collections import deque
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

import asyncpg

from relay.observe.logs import get_logger, log_many
from relay.pipeline.cursor import FreshCursor, is_visible
from relay.pipeline.desk import PIECE, Desk
from relay.pipeline.pages import Pages
from relay.pipeline.plan import MOST_DELIVERIES, Plan, Share, plan, share_of
from relay.store.session import DATA_ERRORS, DatabaseAway, Session

log = get_logger()

NO_LIMIT = 2**62
NEVER = float("inf")
LOCKED_PAUSE = 1.0
"""Seconds until fresh rows are looked for again that somebody held locked."""


@dataclass(slots=True)
class Sight:
    """What all looks saw that read the pages of one snapshot.

    Attributes:
        snapshot: As PostgreSQL writes it.
        number: Of the look, for the places of deliveries that have an order; None until one is needed.
        before: The numbered look before this one; known with the number.
    """

    snapshot: str
    number: int | None = None
    before: "Sight | None" = None

    def saw(self, share: Share) -> bool:
        """Say whether an event was there to be seen."""
        return is_visible(int(share.row["xid"]), self.snapshot)


class Page(NamedTuple):
    """What one look found.

    Attributes:
        rows: Fresh events.
        has_more: There are, or may be, more of them to be had at once.
        sight: What it saw.
    """

    rows: list[asyncpg.Record]
    has_more: bool
    sight: Sight


class FanOut:
    """Reads fresh events and writes their deliveries, leasing at once what there are slots for.

    Args:
        looking: The connection that reads.
        writing: The connection that writes: so the next page is read meanwhile.
        desk: The parts it works with.
    """

    def __init__(self, *, looking: Session, writing: Session, desk: Desk) -> None:
        self._looking = looking
        self._writing = writing
        self._desk = desk
        self._cursor = FreshCursor()
        self.snapshot = "0:0:"
        self._sight = Sight(self.snapshot)
        self.only_spilled = False
        self._look_at_all = NEVER
        self._pages = Pages()

    def start_over(self) -> None:
        """Read everything with the next look: what was read and not written would else be passed over."""
        self._cursor = FreshCursor()

    @property
    def reads_all(self) -> bool:
        """Whether the next look reads all there is, and not only what is new."""
        # After a lost session too: a server that crashed gives transaction numbers out again.
        return self._cursor.is_new or not self._looking.is_open or time.monotonic() > self._look_at_all

    @property
    def look_at_all_in(self) -> float | None:
        """Seconds until all is to be looked at again, since some of it was locked; None if none was."""
        return None if self._look_at_all == NEVER else max(self._look_at_all - time.monotonic(), 0.0)

    async def look(self) -> Page:
        """Look once for what is new; whoever gets it has it written, or lets this start over.

        Raises:
            DatabaseAway: As of any statement.
        """
        if self.reads_all:
            self._look_at_all = NEVER
            self.start_over()
        asked = time.monotonic()
        cursor = self._cursor  # `start_over` may put another in its place meanwhile, which has to stay new
        # Without a free slot nothing can be leased, and the bodies need not come along.
        slots = self._desk.slots
        free = slots.free_to_lease
        page = self._pages.size(free, few=slots.lump, now=asked)
        budget = slots.free_bytes if free else 0
        # A filter is judged on the payload, so then every event brings its own.
        brings_all = self._desk.registry.has_filters
        piece = PIECE if budget or brings_all else NO_LIMIT
        bytes_wanted = NO_LIMIT if brings_all else budget
        rows = await self._looking.fetch("look", *cursor.arguments(), page, bytes_wanted, piece)
        self._desk.clock.heard(rows[0]["database_time"], asked=asked)
        self._desk.registry.end_secrets(self._desk.clock.now())
        self.snapshot = rows[0]["snapshot"]
        if cursor.snapshot is None:
            self._sight = Sight(self.snapshot)  # else it goes on in the old one
        if rows[0]["registry_version"] > self._desk.registry.version:
            for endpoint_id in await self._desk.registry.refresh(self._looking):
                self._desk.due.note(endpoint_id, 0.0)
            self._desk.due.look_again()
            if self._desk.registry.has_filters and not brings_all:
                return await self.look()  # the cursor stands where it stood
        has_more = rows[0]["has_more"]
        fresh = [row for row in rows if row["seq"] is not None]
        self.only_spilled = not budget
        cursor.took(self.snapshot, [(int(row["xid"]), row["seq"]) for row in fresh], has_more=has_more)
        return Page(fresh, has_more, self._sight)

    async def write(self, page: Page) -> None:
        """Write the deliveries of these events, as many statements as it takes, and start those that are ours.

        Raises:
            DatabaseAway: Nothing is known of what was under way; start over, and release strays.
        """
        # The order within one look is that of seq; a page has its events by transaction.
        rows = sorted(page.rows, key=itemgetter("seq")) if self._desk.registry.has_ordered else page.rows
        waiting = deque((row, row["after_endpoint"]) for row in rows)
        while waiting:
            shares: list[Share] = []
            room = MOST_DELIVERIES
            while waiting and room > 0:
                row, after = waiting.popleft()
                share = share_of(row, self._desk.registry, after=after, most=room)
                shares.append(share)
                room -= len(share.endpoint_ids)
                if not share.is_finished:
                    waiting.appendleft((row, share.endpoint_ids[-1]))
                    break
            await self._write(shares, page.sight)
            await asyncio.sleep(0)

    async def _write(self, shares: list[Share], sight: Sight) -> None:
        """Write these shares; a data error is narrowed down by halves to the one event, which ends visibly."""
        try:
            if self._desk.registry.has_ordered and any(
                share.row["ordering_hash"] is not None for share in shares
            ):
                async with self._desk.order.lock:
                    await self._find_number(sight)
                    for some, seen_by in _by_look(shares, sight):
                        await self._plan_and_commit(some, seen_by)
            else:
                await self._plan_and_commit(shares, sight)
        except (*DATA_ERRORS, ValueError, TypeError) as error:
            if len(shares) > 1:
                middle = len(shares) // 2
                await self._write(shares[:middle], sight)
                await self._write(shares[middle:], sight)
            else:
                await self._set_aside(shares[0], sight, error)

    async def _plan_and_commit(self, shares: list[Share], sight: Sight) -> None:
        async with self._desk.leasing:
            now, keeps_order = self._desk.clock.now(), sight.number is not None
            planned = plan(shares, self._desk.registry, self._desk.slots, now=now, keeps_order=keeps_order)
            await self._commit(planned, sight)

    async def _find_number(self, sight: Sight) -> None:
        if sight.number is None:
            (row,) = await self._writing.fetch("look_number", sight.snapshot)
            sight.number = row["look_number"]
            sight.before = Sight(row["snapshot_before"], row["number_before"])

    async def _commit(self, planned: Plan, sight: Sight) -> None:
        """Write a plan and start what it made ours."""
        lease = self._desk.claim_seconds
        claims = planned.claims
        try:
            about = planned.arguments(instance=self._desk.instance, lease=lease)
            rows = await self._writing.fetch(
                "fan_out", *about, sight.number, sight.snapshot, planned.event_ids
            )
        except BaseException:
            for key in claims:
                self._desk.slots.give_back(key)
            raise
        for row in rows:
            if claims.pop((row["event_seq"], row["endpoint_id"]), None) is not None:
                self._desk.slots.give_back((row["event_seq"], row["endpoint_id"]))
                # It was there before and may be due, as tests are; it was withdrawn; or it waits for an earlier one.
                self._desk.due.note(row["endpoint_id"], 0.0)
        missed = {row["event_seq"] for row in rows if row["endpoint_id"] is None}
        self._pages.saw(events=len(planned.shares), deliveries=len(planned.deliveries))
        self._desk.dispatcher.dispatch(claims.values())
        now = self._desk.clock.now()
        for _, endpoint_id, _, leased, not_before in planned.deliveries:
            if not leased:
                self._desk.due.note(endpoint_id, 0.0 if not_before is None else not_before - now)
        _tell([share for share in planned.shares if share.row["seq"] not in missed])
        _tell_of_held(planned, missed)
        if missed:
            # Somebody held them locked, or another relay took them: the cursor is past them, so look at all again.
            self._look_at_all = time.monotonic() + LOCKED_PAUSE

    async def _set_aside(self, share: Share, sight: Sight, error: Exception) -> None:
        """End the one event that cannot be fanned out, where people see it."""
        detail = f"{type(error).__name__}: {error}"[:500]
        log.error("event.unprocessable", event_id=str(share.row["event_id"]), detail=detail)
        aside = Share(row=share.row, ended="unprocessable", detail=detail)
        try:
            await self._commit(Plan(shares=[aside]), sight)
        except DATA_ERRORS as again:
            raise DatabaseAway(f"{type(again).__name__}: {again}") from again


def _by_look(shares: list[Share], sight: Sight) -> Iterator[tuple[list[Share], Sight]]:
    """Yield the shares with the look that they have their places of: what the one before left over first."""
    before = sight.before
    left_over = [] if before is None else [share for share in shares if before.saw(share)]
    if before is not None and left_over:
        yield left_over, before
        shares = [share for share in shares if not before.saw(share)]
    if shares:
        yield shares, sight


def _tell(shares: Iterable[Share]) -> None:
    fanned_out = []
    for share in shares:
        row = share.row
        if row["event_id"] is None or share.ended == "unprocessable":
            continue
        about = {"event_id": str(row["event_id"]), "event_type": row["event_type"]}
        match share.ended:
            case "no_subscription":
                log.info("event.unrouted", **about, tenant=row["tenant"])
            case "cancelled":
                log.info("event.cancelled", **about)
            case _:
                for endpoint_id, detail in share.unjudged.items():
                    log.warning("event.unjudged", **about, endpoint_id=str(endpoint_id), detail=detail)
                about["deliveries"] = len(share.endpoint_ids)
                fanned_out.append(about)
    log_many("info", "event.fanned_out", fanned_out)


def _tell_of_held(planned: Plan, missed: Container[int]) -> None:
    for row, endpoint in planned.held:
        if row["seq"] not in missed:
            log.info(
                "delivery.held",
                event_id=str(row["event_id"]),
                event_type=row["event_type"],
                endpoint_id=str(endpoint.id),
                reason=endpoint.hold,
            )
