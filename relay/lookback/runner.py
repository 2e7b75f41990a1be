"""Works operations off: batch by batch, each with what became of it in one transaction."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from uuid import UUID

import asyncpg

from relay.lookback.operations import Kind, Operation, find
from relay.observe.logs import get_logger
from relay.store.session import DATA_ERRORS, DatabaseAway, Run, Session
from relay.store.watch import Backoff

log = get_logger()

MOST_A_BATCH = 1000
"""The most deliveries that one transaction changes."""
A_BATCH = 0.25
"""Seconds that a batch of an operation with a rate is meant to be good for."""
BETWEEN = 0.05
"""Seconds between two looks whether it is time for a batch."""
PREPARED = 3600.0
"""Seconds after which an operation is forgotten that was prepared and never started."""
ENDED = 90 * 86400.0
"""The same of one that ended; the audit keeps that it was."""
PRUNE_EVERY = 600.0


class Pace:
    """Says how many deliveries an operation may change now, so that it keeps its rate."""

    def __init__(self, rate: float | None, now: float) -> None:
        self._rate = rate
        self._allowed = 0.0
        self._at = now

    def allow(self, now: float) -> int:
        """Return how many may be changed now; 0: wait."""
        if self._rate is None:
            return MOST_A_BATCH
        most = max(self._rate * A_BATCH, 1.0)
        self._allowed = min(self._allowed + (now - self._at) * self._rate, 2 * most)
        self._at = now
        return min(int(self._allowed), MOST_A_BATCH) if self._allowed >= most else 0

    def took(self, number: int) -> None:
        """Note that so many were changed."""
        self._allowed -= number


async def step(session: Session, operation_id: int, kind: Kind, number: int, scheduled: set[UUID]) -> int:
    """Change the next `number` deliveries of an operation, and write down what became of them.

    Args:
        session: One that nobody else uses meanwhile.
        operation_id: Which.
        kind: Of the operation.
        number: The most to change.
        scheduled: Gets the endpoints that have work by that, before it is committed.

    Returns:
        How many deliveries were looked at.

    Raises:
        DatabaseAway: Nothing of it was done, or all of it.
    """
    async with session.transaction() as run:
        rows = await run("operation_take", operation_id, number)
        results: Counter[str] = Counter()
        if rows:
            names = [row["event_seq"] for row in rows], [row["endpoint_id"] for row in rows]
            changed = await _change(run, kind, names, rows[0])
            results.update(row["result"] for row in changed)
            scheduled.update(row["endpoint_id"] for row in changed if row["result"] == "scheduled")
        last = (rows[-1]["event_seq"], rows[-1]["endpoint_id"]) if rows else (None, None)
        await run("operation_progress", operation_id, list(results), list(results.values()), *last)
    return len(rows)


async def _change(
    run: Run, kind: Kind, names: tuple[list[int], list[UUID]], how: asyncpg.Record
) -> list[asyncpg.Record]:
    """Change these deliveries; nobody is named as who did it, since the operation is in the audit as a whole."""
    if kind == "discard":
        return await run("delivery_discard", *names, None)
    trigger = "replay" if kind == "replay" else "manual"
    return await run("delivery_retry", *names, how["redeliver"], None, trigger, how["make_missing"])


class OperationRunner:
    """Works off whatever operations are running, in turn, until cancelled.

    Args:
        session: One that moves no deliveries and waits for nobody else.
        note_due: Called with endpoint and delay for what is to be sent.
        active: Set while this relay works.
        wanted: Set again and again while an operation is to be worked on.
        backoff: Pauses between tries while the database is away.
    """

    def __init__(
        self,
        *,
        session: Session,
        note_due: Callable[[UUID, float], None],
        active: asyncio.Event,
        wanted: asyncio.Event,
        backoff: Backoff,
    ) -> None:
        self._session = session
        self._note_due = note_due
        self._active = active
        self._wanted = wanted
        self._backoff = backoff
        self._paces: dict[int, Pace] = {}
        self._prune_at = 0.0

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PRUNE_EVERY):
                    await self._wanted.wait()
            await self._active.wait()  # last: another relay may have taken over meanwhile
            try:
                await asyncio.sleep(await self._round())
                self._backoff.succeeded()
            except (DatabaseAway, asyncpg.PostgresError) as error:
                await self._backoff.failed(error)
                self._wanted.set()  # until it is known that there is none

    async def _round(self) -> float:
        """Give each operation its turn; returns the seconds to rest."""
        started = time.monotonic()
        if started >= self._prune_at:
            await self._session.fetch("operation_prune", PREPARED, ENDED)
            self._prune_at = started + PRUNE_EVERY
        rows = await self._session.fetch("operation_next")
        if not rows:
            self._paces.clear()
            self._wanted.clear()
            return 0.0
        turns = [await self._turn(row["id"], row["kind"], row["rate"]) for row in rows]
        # As long as it took: half of the database's time is left to others.
        return max(time.monotonic() - started, 0.01) if any(turns) else BETWEEN

    async def _turn(self, operation_id: int, kind: Kind, rate: float | None) -> bool:
        """Do the next batch of an operation, if it is time; returns whether it was."""
        pace = self._paces.setdefault(operation_id, Pace(rate, time.monotonic()))
        number = pace.allow(time.monotonic())
        if not number:
            return False
        scheduled = set[UUID]()
        try:
            pace.took(await step(self._session, operation_id, kind, number, scheduled))
        except DATA_ERRORS as error:
            detail = f"{type(error).__name__}: {error}"[:500]
            log.error(  # noqa: TRY400 - no traceback helps
                "operation.failed", operation_id=operation_id, detail=detail
            )
            await self._session.fetch("operation_fail", operation_id, detail)
        finally:
            # After a failure too: it may be committed, and only the answer lost.
            for endpoint_id in scheduled:
                self._note_due(endpoint_id, 0.0)
        return True


async def work_off(session: Session, operation: Operation) -> None:
    """Work one operation off here and now, since no relay is there to do it; returns when it runs no more.

    Raises:
        DatabaseAway: It stands as the last batch left it, and goes on with the next relay.
    """
    pace = Pace(operation.rate, time.monotonic())
    while (now := await find(session, operation.id)) is not None and now.state == "running":
        if number := pace.allow(time.monotonic()):
            pace.took(await step(session, operation.id, operation.kind, number, set()))
        else:
            await asyncio.sleep(BETWEEN)
