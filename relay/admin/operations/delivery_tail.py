"""Following the log of attempts as `tail -f` follows a file."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from relay.store.session import Session

OVERLAP = timedelta(seconds=10)
"""How long after its end an attempt may be recorded and still be seen."""

_LONGEST_ATTEMPT = timedelta(minutes=6)
_PAGE = 5000
_WINDOWS = (timedelta(seconds=10), timedelta(minutes=5), timedelta(hours=2), timedelta(days=2))

Key = tuple[int, UUID, int, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class TailFilter:
    """Which attempts to follow; None lets all pass."""

    endpoint_id: UUID | None = None
    event_type: str | None = None
    tenant: str | None = None
    outcome: str | None = None
    status_code: int | None = None

    def parameters(self) -> tuple[object, ...]:
        """Return the values in the order in which the statement takes them."""
        return tuple(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class TailedAttempt:
    """One attempt, without headers and bodies."""

    event_id: UUID
    event_type: str
    endpoint_id: UUID
    url: str
    attempt: int
    trigger_type: str
    stale: bool
    status_code: int | None
    error_code: str | None
    error: str | None
    duration_ms: int
    attempted_at: datetime
    next_attempt_at: datetime | None
    outcome: str


class Tail:
    """Reads attempts in the order in which they ended, each once.

    Rows become visible a little after the attempt ended, and not in order; so every look begins a little before
    the end of the last one and leaves out what was seen.
    """

    def __init__(self, session: Session, wanted: TailFilter) -> None:
        self._session = session
        self._wanted = wanted
        self._seen: dict[Key, datetime] = {}
        self._ended_since: datetime | None = None
        self._floor: datetime | None = None

    async def last(self, number: int) -> list[TailedAttempt]:
        """Return the last `number` attempts, the oldest first, and make `more` go on after them.

        Of the last two days; ever longer spans are looked through, so that a busy log is not read to its end.
        """
        self._ended_since = now = await self._now()
        # First, so that what is recorded meanwhile is shown later rather than never.
        await self._pass_over(now - OVERLAP)
        rows: list[asyncpg.Record] = []
        for window in _WINDOWS if number else ():
            rows = await self._read(now - window, number, newest=True)
            if len(rows) == number:
                break
        return [self._take(row) for row in reversed(rows)]

    async def more(self) -> AsyncIterator[TailedAttempt]:
        """Yield the attempts recorded since the last call, a page at a time until there are no more."""
        since = max(self._begin() - OVERLAP, self._floor or self._begin())
        while True:
            rows = await self._read(since, _PAGE, newest=False)
            for row in rows:
                if _key(row) not in self._seen:
                    yield self._take(row)
            if len(rows) < _PAGE or rows[-1]["ended_at"] == since:
                break
            since = rows[-1]["ended_at"]
        self._forget(self._begin() - 2 * OVERLAP)

    def _begin(self) -> datetime:
        if self._ended_since is None:
            raise RuntimeError("call last() first: it says where to go on")
        return self._ended_since

    async def _pass_over(self, since: datetime) -> None:
        """Mark as seen what is there already; what is more than a page is left out by its time."""
        rows = await self._read(since, _PAGE, newest=True)
        self._floor = rows[-1]["ended_at"] if len(rows) == _PAGE else since
        self._seen = {_key(row): row["ended_at"] for row in rows}

    def _take(self, row: asyncpg.Record) -> TailedAttempt:
        self._seen[_key(row)] = row["ended_at"]
        self._ended_since = max(self._begin(), row["ended_at"])
        return TailedAttempt(**{each.name: row[each.name] for each in fields(TailedAttempt)})

    def _forget(self, before: datetime) -> None:
        self._seen = {key: ended for key, ended in self._seen.items() if ended >= before}

    async def _read(self, since: datetime, number: int, *, newest: bool) -> list[asyncpg.Record]:
        return await self._session.fetch(
            "delivery_tail", since - _LONGEST_ATTEMPT, since, *self._wanted.parameters(), newest, number
        )

    async def _now(self) -> datetime:
        now: datetime = (await self._session.fetch("delivery_clock"))[0]["now"]
        return now


async def watch(tail: Tail, show: Callable[[TailedAttempt], None]) -> int:
    """Show what came since the last look, and return how many attempts that were."""
    number = 0
    async for attempt in tail.more():
        show(attempt)
        number += 1
    return number


def _key(row: asyncpg.Record) -> Key:
    return row["event_seq"], row["endpoint_id"], row["claim"], row["attempted_at"]
