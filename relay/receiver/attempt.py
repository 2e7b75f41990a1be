"""One attempt at one event: lock it, judge its turn, call the handler, and commit what both did together."""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from hashlib import sha256
from typing import TypeAlias, assert_never

import asyncpg

from relay.receiver.arrivals import Event
from relay.receiver.intake import Pool
from relay.receiver.ordering import Handle, Ordering, PassOver, Wait, WaitForGap, is_strict, judge_turn
from relay.receiver.retrying import Retry, delay_after
from relay.receiver.schema import Connection
from relay.receiver.statements import statement

CANCEL_LIMIT = 5.0
"""Seconds that a handler has to end once it was cancelled; then its connection is cut."""
NOTE_LIMIT = 15.0
MAX_ERROR = 2000

Handler: TypeAlias = Callable[[Connection, Event], Awaitable[None]]

logger = logging.getLogger("relay.receiver")


class Ending(Enum):
    """How an attempt went. MISSED: another worker has the event or its key, or it is over."""

    DONE = auto()
    STALE = auto()
    WAITING = auto()
    FAILED = auto()
    MISSED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An event that may be handled, as far as a look without locks can tell."""

    seq: int
    key: str | None


class TookTooLong(Exception):  # noqa: N818 - it names what was found
    """The handler did not end within its limit."""


@dataclass(slots=True)
class _Call:
    """The handler was called for this event, and what came of it outlives the connection."""

    event: Event
    error: Exception | None = None


class Attempts:
    """Makes attempts.

    Args:
        pool: Each attempt has a connection of it to itself.
        source: Whose events they are.
        handler: Called in the transaction that ends the event.
        ordering: Of the events of a key.
        retry: When a handler that failed is called again.
        time_limit: For one call of the handler.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        source: str,
        handler: Handler,
        ordering: Ordering | None,
        retry: Retry,
        time_limit: timedelta,
    ) -> None:
        self._pool = pool
        self._source = source
        self._handler = handler
        self._ordering = ordering
        self._retry = retry
        self._time_limit = time_limit.total_seconds()

    async def make(self, due: Due) -> Ending:
        """Make one attempt. What the handler did is committed together with the event's end, or not at all.

        Raises:
            Exception: The database was lost, or the commit failed.
        """
        calls: list[_Call] = []
        try:
            async with self._pool.acquire() as connection:
                async with connection.transaction():
                    ending = await self._make(connection, due, calls)
                if due.key is not None and ending is not Ending.MISSED:
                    await self._let_next_come(connection, due.key)
                return ending
        except Exception as error:
            # The handler may be the reason, and must not be called for ever without being counted.
            for call in calls:
                await self._note_lost(call.event, call.error or error)
            raise

    async def _make(self, connection: Connection, due: Due, calls: list[_Call]) -> Ending:
        if due.key is not None and not await connection.fetchval(
            statement("lock_key"), lock_number(self._source, due.key)
        ):
            return Ending.MISSED
        row = await connection.fetchrow(statement("lock_event"), due.seq)
        if row is None:
            return Ending.MISSED
        event = _event(row)
        turn = judge_turn(self._ordering, version=event.version, mark=row["mark"], waited=row["waited"])
        match turn:
            case Handle():
                calls.append(_Call(event))
                return await self._handle(connection, calls[0])
            case PassOver():
                await connection.execute(statement("close_event"), event.seq, "stale")
                return Ending.STALE
            case Wait(delay=delay):
                await connection.execute(statement("wait_for_gap"), event.seq, delay)
                return Ending.WAITING
            case _:
                assert_never(turn)

    async def _handle(self, connection: Connection, call: _Call) -> Ending:
        try:
            # A savepoint: what a handler did that failed is undone, and the failure is written all the same.
            async with connection.transaction():
                await self._call(connection, call)
        except Exception as error:
            if connection.is_closed():
                raise
            logger.warning("the handler failed on event %s", call.event.event_id, exc_info=error)
            await self._fail(connection, call.event, error)
            return Ending.FAILED
        await self._close(connection, call.event)
        return Ending.DONE

    async def _call(self, connection: Connection, call: _Call) -> None:
        """Call the handler for no longer than its limit, even if it does not let itself be cancelled."""
        task = asyncio.create_task(
            self._run_handler(connection, call.event), name=f"handler of {call.event.event_id}"
        )
        try:
            await asyncio.wait({task}, timeout=self._time_limit)
            call.error = _error_of(task, self._time_limit)
            if call.error is not None:
                raise call.error
        finally:
            await _end(task, connection)

    async def _run_handler(self, connection: Connection, event: Event) -> None:
        await self._handler(connection, event)

    async def _close(self, connection: Connection, event: Event) -> None:
        await connection.execute(statement("close_event"), event.seq, "done")
        if event.ordering_key is None or event.version is None:
            return
        await connection.execute(statement("raise_mark"), self._source, event.ordering_key, event.version)
        if isinstance(self._ordering, WaitForGap):
            await connection.execute(
                statement("end_gap"), self._source, event.ordering_key, event.version + 1
            )

    async def _fail(self, connection: Connection, event: Event, error: Exception) -> None:
        failures = event.failures + 1
        delay = delay_after(self._retry, failures, random.random())  # noqa: S311 - no secret
        if delay is None:
            logger.error("event %s is dead after %d failures", event.event_id, failures)
        await connection.execute(
            statement("fail_event"), event.seq, event.failures, _error_text(error), delay
        )

    async def _let_next_come(self, connection: Connection, key: str) -> None:
        """Release the next event of a key, now that the commit is done."""
        strict = is_strict(self._ordering)
        await connection.execute(statement("release_keys"), self._source, [key], strict)

    async def _note_lost(self, event: Event, error: Exception) -> None:
        """Write a failure down on another connection, as far as that is possible."""
        try:
            async with asyncio.timeout(NOTE_LIMIT), self._pool.acquire() as connection:
                await self._fail(connection, event, error)
        except Exception as again:  # noqa: BLE001 - the first error is on its way and says more
            logger.info("the failure of event %s was not counted: %s", event.event_id, again)


def lock_number(source: str, key: str) -> int:
    """Return the number of a key's advisory lock: 64 bits, so that two keys hardly ever share one."""
    digest = sha256(f"relay_inbox\0{source}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _error_of(task: "asyncio.Task[None]", time_limit: float) -> Exception | None:
    """Return why the handler has not done its part; None if it has."""
    if not task.done():
        return TookTooLong(f"the handler took longer than {time_limit:g} s")
    if task.cancelled():
        return RuntimeError("the handler was cancelled from within")
    error = task.exception()
    return error if error is None or isinstance(error, Exception) else RuntimeError(repr(error))


async def _end(task: "asyncio.Task[None]", connection: Connection) -> None:
    """End a handler's task; one that does not let itself be cancelled loses its connection."""
    if task.done():
        return
    task.add_done_callback(_look_at)
    task.cancel()
    await asyncio.wait({task}, timeout=CANCEL_LIMIT)
    if not task.done():
        logger.error("a handler does not end although it was cancelled; its connection is cut")
        connection.terminate()


def _look_at(task: "asyncio.Task[None]") -> None:
    """Have asyncio not complain about an error that nobody is there to take."""
    if not task.cancelled():
        task.exception()


def _event(row: asyncpg.Record) -> Event:
    return Event(
        seq=row["seq"],
        source=row["source"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        ordering_key=row["ordering_key"],
        version=row["version"],
        headers=json.loads(row["headers"]),
        body=row["body"],
        signed_at=row["signed_at"],
        received_at=row["received_at"],
        failures=row["failures"],
    )


def _error_text(error: Exception) -> str:
    """Return what a person reads, in characters that the database takes."""
    text = f"{type(error).__name__}: {error}"[:MAX_ERROR].replace("\0", "")
    return text.encode("utf-8", "replace").decode("utf-8")
