"""Writes results to the database in batches, and only then gives their slots back."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import asyncpg

from relay.endpoints.health import Standings
from relay.endpoints.notices import Notices
from relay.model import Dead, Failure, Released, Result, Retrying
from relay.observe.logs import get_logger
from relay.observe.tally import Tally
from relay.pipeline.batch import columns
from relay.pipeline.order import OrderKeeper, ended_keys
from relay.pipeline.outcome_log import OutcomeLog
from relay.pipeline.slots import Key, Slots
from relay.pipeline.verdict import DELIVERED
from relay.store.session import DATA_ERRORS, DatabaseAway, Session
from relay.store.watch import Backoff

log = get_logger()

MOST_A_BATCH = 500
LINGER = 0.003
"""Seconds that the first results of a batch wait for company. A longer wait makes batches cheaper, but what comes next
misses the slots in them, and the relay stands still."""
LOCKED_PAUSE = 0.05
"""Seconds until an outcome is offered again whose delivery somebody else held locked."""


class Recorder:
    """Takes results without waiting and commits them; they are kept until the database has them.

    Args:
        session: The recorder's own connection.
        instance: Who we are, for the fence.
        slots: Get the slot of each recorded claim back.
        standings: Told of each batch that is recorded.
        outcome_log: Tells people of each.
        notices: Get what the operator's endpoints are to hear.
        order: Lets the next delivery of a key go.
        note_due: Called with endpoint and delay when a delivery waits for its time.
        claim_lost: Called when an outcome came too late: its delivery may still be leased to us, by an older claim.
        tally: Counts what is committed.
        backoff: Pauses between tries while the database is away.

    Attributes:
        caught_up: Cleared while outcomes are stuck, since the database does not take them.
    """

    def __init__(
        self,
        *,
        session: Session,
        instance: int,
        slots: Slots,
        standings: Standings,
        outcome_log: OutcomeLog,
        notices: Notices,
        order: OrderKeeper,
        note_due: Callable[[UUID, float], None],
        claim_lost: Callable[[], None],
        tally: Tally,
        backoff: Backoff,
    ) -> None:
        self._session = session
        self._instance = instance
        self._slots = slots
        self._standings = standings
        self._outcome_log = outcome_log
        self._notices = notices
        self._order = order
        self._note_due = note_due
        self._claim_lost = claim_lost
        self._tally = tally
        self._backoff = backoff
        self._queue: deque[Result] = deque()
        self._arrived = asyncio.Event()
        self._last_one = asyncio.Event()
        self.caught_up = asyncio.Event()
        self.caught_up.set()

    def put(self, result: Result) -> None:
        """Take one result, to be recorded within milliseconds while the database is there."""
        self._queue.append(result)
        if result.outcome is not DELIVERED:
            self._note_next(result)  # its delay runs from now on, not from the commit
        self._arrived.set()

    def finish(self) -> None:
        """Say that no more results will come: `run` ends when all are recorded."""
        self._last_one.set()
        self._arrived.set()

    async def run(self) -> None:
        """Record until `finish` was called and nothing is left."""
        while True:
            await self._arrived.wait()
            if len(self._queue) < MOST_A_BATCH and not self._last_one.is_set():
                await asyncio.sleep(LINGER)
            self._arrived.clear()
            if self._queue:
                await self._flush()
            if self._queue:
                self._arrived.set()
            elif self._last_one.is_set():
                return

    async def _flush(self) -> None:
        """Write one batch; what could not be written goes back to the head of the queue."""
        pieces = [[self._queue.popleft() for _ in range(min(len(self._queue), MOST_A_BATCH))]]
        try:
            while pieces:
                pieces[-1:] = await self._write(pieces[-1])
        except (DatabaseAway, asyncpg.PostgresError) as error:
            self._queue.extendleft(result for piece in pieces for result in reversed(piece))
            self.caught_up.clear()
            await self._backoff.failed(error)
            return
        self._backoff.succeeded()
        self.caught_up.set()

    async def _write(self, batch: list[Result]) -> list[list[Result]]:
        """Record a batch; returns what is left to write: nothing, or the halves of one with a bad row in it."""
        if not batch:
            return []
        try:
            rows = await self._record(batch)
        except DATA_ERRORS as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                return [batch[middle:], batch[:middle]]
            return [[_without_answer(batch[0], error)]]
        # What an unanswered try had recorded is not told of yet, but in time.
        marks: dict[Key, str] = {
            (row["event_seq"], row["endpoint_id"]): row["what"] for row in rows if row["what"] != "recorded"
        }
        postponed = (
            [result for result in batch if marks.get(result.claim.key) == "postponed"] if marks else []
        )
        if not postponed:
            self._settle(batch, marks)
            return []
        self._settle([result for result in batch if marks.get(result.claim.key) != "postponed"], marks)
        self._queue.extend(postponed)
        await asyncio.sleep(LOCKED_PAUSE if len(postponed) == len(batch) else 0)
        return []

    async def _record(self, batch: list[Result]) -> list[asyncpg.Record]:
        """Write the outcomes, and let those go that waited for them; what is recorded again lets go again."""
        endpoint_ids, keys = ended_keys(batch)
        if not keys:
            return await self._session.fetch("record", *columns(batch, self._instance))
        async with self._order.lock:
            rows = await self._session.fetch("record", *columns(batch, self._instance))
            await self._order.release(self._session, endpoint_ids, keys)
        return rows

    def _settle(self, results: Sequence[Result], stale: Mapping[Key, str]) -> None:
        """The outcomes are committed: tell people, tell the scheduler, and give the slots back."""
        self._outcome_log.write(results, stale)
        self._tally.batch(results, stale)
        current = [result for result in results if result.claim.key not in stale] if stale else results
        self._standings.note(current)  # what another relay found out since is newer
        if len(current) < len(results):
            self._claim_lost()
        for result in results:
            key = result.claim.key
            self._slots.give_back(key)
            if result.outcome is DELIVERED or key in stale:
                continue
            self._note_next(result)  # again, in case it was looked for in vain before the commit
            if isinstance(result.outcome, Dead) and not result.claim.delivered_before:
                self._notices.dead(result, result.outcome)

    def _note_next(self, result: Result) -> None:
        if isinstance(result.outcome, Retrying | Released):
            self._note_due(result.claim.endpoint_id, result.outcome.delay)


def _without_answer(result: Result, error: Exception) -> Result:
    """Return the result with a log row the database cannot refuse, so that it does not come round for ever.

    Raises:
        DatabaseAway: It was refused in that form already, so the trouble is not in the row.
    """
    message = "what came back could not be stored"
    attempt = result.attempt
    if attempt is None or attempt.answer == Failure(code="protocol", message=message):
        raise DatabaseAway(f"{type(error).__name__}: {error}") from error
    event_id = None if result.claim.event is None else result.claim.event.id
    log.error("attempt.unrecordable", event_id=event_id, detail=str(error))
    bare = attempt._replace(url="", request_headers="{}", answer=Failure(code="protocol", message=message))
    return result._replace(attempt=bare)
