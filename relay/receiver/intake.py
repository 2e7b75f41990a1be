"""Stores what arrives: requests that come together share one commit, and each is answered once it is done."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from relay.receiver.arrivals import InboxUnavailable, Incoming, Receipt
from relay.receiver.line import Line
from relay.receiver.ordering import Place
from relay.receiver.schema import Connection
from relay.receiver.statements import statement

WRITERS = 2
"""So that one commit can be under way while the next requests are written."""
MOST_TOGETHER = 100
MOST_BYTES_TOGETHER = 4 * 1024**2
MOST_WAITING = 1000
STORE_LIMIT = 5.0
"""Seconds after which a request is refused rather than kept waiting."""

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.TooManyConnectionsError,
)
"""What a database that goes away looks like, `TimeoutError` included, which is an OSError."""

logger = logging.getLogger("relay.receiver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An event to store.

    Attributes:
        content: The SHA-256 of what was signed, where that does not cover the event id; else None.
    """

    incoming: Incoming
    place: Place
    content: bytes | None


_Waiting: TypeAlias = "tuple[Arrival, asyncio.Future[Receipt]]"


class Intake:
    """Takes arrivals and commits them in batches.

    Args:
        dsn: Each writer has a connection to it.
        source: Of all that arrives.
        strict: An event that waits holds up the later ones of its key.
        tell: Called after each commit that stored something new.
    """

    def __init__(self, dsn: str, source: str, *, strict: bool, tell: Callable[[], None]) -> None:
        self._dsn = dsn
        self._source = source
        self._strict = strict
        self._tell = tell
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue(MOST_WAITING)

    async def store(self, arrival: Arrival) -> Receipt:
        """Return once the event is committed, or known to have been before.

        Raises:
            InboxUnavailable: It is not known to be committed: too many wait, or the database is away or slow.
        """
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((arrival, future))
            async with asyncio.timeout(STORE_LIMIT):
                return await future
        except asyncio.QueueFull:
            raise InboxUnavailable("too many requests wait for the inbox's database") from None
        except TimeoutError:
            raise InboxUnavailable(f"the inbox's database took longer than {STORE_LIMIT:g} s") from None

    async def run(self) -> None:
        """Write until `finish`."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(WRITERS):
                tasks.create_task(self._write_all(), name=f"inbox writer {number + 1}")

    async def finish(self) -> None:
        """Have what waits written, and the writers end."""
        for _ in range(WRITERS):
            await self._queue.put(None)

    async def _write_all(self) -> None:
        line = Line(self._dsn)
        try:
            is_last = False
            while not is_last and (first := await self._queue.get()) is not None:
                batch, is_last = self._more(first)
                await self._write(line, batch)
        finally:
            await line.close()

    def _more(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """Return what goes into one commit, and whether nothing comes after it."""
        batch, size = [first], len(first[0].incoming.body)
        while len(batch) < MOST_TOGETHER and size < MOST_BYTES_TOGETHER and not self._queue.empty():
            following = self._queue.get_nowait()
            if following is None:
                return batch, True
            batch.append(following)
            size += len(following[0].incoming.body)
        return batch, False

    async def _write(self, line: Line, batch: Sequence[_Waiting]) -> None:
        """Commit a batch and answer; what cannot be stored must not keep its neighbours out."""
        try:
            receipts = await self._commit_patiently(line, [arrival for arrival, _ in batch])
        except LOST as error:
            _refuse(batch, error)
        except Exception as error:  # noqa: BLE001 - the border of a batch
            if len(batch) == 1:
                _refuse(batch, error)
            for each in batch if len(batch) > 1 else ():
                await self._write(line, [each])
        else:
            _answer(batch, receipts)
            if Receipt.STORED in receipts:
                await self._let_come(
                    line, {each.place.key for each, _ in batch if each.place.key is not None}
                )

    async def _commit_patiently(self, line: Line, arrivals: list[Arrival]) -> list[Receipt]:
        """Commit; once more if the connection turns out to be lost, since storing again is harmless."""
        try:
            return await self._commit(line, arrivals)
        except TimeoutError:
            line.drop()
            raise  # those who asked have been told already
        except LOST:
            line.drop()
            return await self._commit(line, arrivals)

    async def _commit(self, line: Line, arrivals: list[Arrival]) -> list[Receipt]:
        async with asyncio.timeout(STORE_LIMIT):
            connection = await line.connection()
            if not any(arrival.content for arrival in arrivals):
                stored = await self._store(connection, arrivals)
                return _receipts(arrivals, set(), stored)
            async with connection.transaction():
                repeated = await self._repeated(connection, arrivals)
                taken = [each for number, each in enumerate(arrivals) if number not in repeated]
                stored = await self._store(connection, taken)
            return _receipts(arrivals, repeated, stored)

    async def _repeated(self, connection: Connection, arrivals: list[Arrival]) -> set[int]:
        """Return the places of those whose signed content came before under another id."""
        contents = [(arrival.content or b"", arrival.incoming.event_id) for arrival in arrivals]
        # By hash, and then as they came: the first of two in one batch keeps its content.
        order = sorted(range(len(contents)), key=lambda number: contents[number][0])
        hashes = [contents[number][0] for number in order]
        event_ids = [contents[number][1] for number in order]
        await connection.execute(statement("note_contents"), self._source, hashes, event_ids)
        found = await connection.fetch(statement("find_repeated"), self._source, hashes, event_ids)
        return {order[row["place"] - 1] for row in found}

    async def _store(self, connection: Connection, arrivals: list[Arrival]) -> set[str]:
        """Insert what is new, and return its ids."""
        ordered = sorted(arrivals, key=lambda arrival: arrival.incoming.event_id)
        rows = await connection.fetch(
            statement("store_events"),
            self._source,
            [each.incoming.event_id for each in ordered],
            [each.incoming.event_type for each in ordered],
            [each.place.key for each in ordered],
            [each.place.version for each in ordered],
            [json.dumps(dict(each.incoming.headers)) for each in ordered],
            [each.incoming.body for each in ordered],
            [float(each.incoming.signed_at) for each in ordered],
        )
        return {row["event_id"] for row in rows}

    async def _let_come(self, line: Line, keys: set[str]) -> None:
        """Release what was stored, and tell of it: after the commit, since senders need not wait for that."""
        if keys:
            try:
                async with asyncio.timeout(STORE_LIMIT):
                    connection = await line.connection()
                    await connection.execute(
                        statement("release_keys"), self._source, sorted(keys), self._strict
                    )
            except (*LOST, asyncpg.PostgresError) as error:
                line.drop()
                logger.info("events were stored, and are let go by a sweep: %s", error)
        self._tell()


def content_hash(signed_at: int, body: bytes) -> bytes:
    """Return the SHA-256 of what the format `x-webhook` signs: time, full stop, body."""
    return hashlib.sha256(b"%d." % signed_at + body).digest()


def _receipts(arrivals: list[Arrival], repeated: set[int], stored: set[str]) -> list[Receipt]:
    """Return what became of each; of several with one id the first is the one that was stored."""
    new = set(stored)
    receipts: list[Receipt] = []
    for number, arrival in enumerate(arrivals):
        event_id = arrival.incoming.event_id
        if number in repeated:
            receipts.append(Receipt.REPEATED)
        elif event_id in new:
            receipts.append(Receipt.STORED)
            new.discard(event_id)
        else:
            receipts.append(Receipt.DUPLICATE)
    return receipts


def _refuse(batch: Sequence[_Waiting], error: Exception) -> None:
    logger.warning("%d events could not be stored: %s: %s", len(batch), type(error).__name__, error)
    for _, future in batch:
        if not future.done():
            future.set_exception(InboxUnavailable("the inbox's database did not store the event"))


def _answer(batch: Sequence[_Waiting], receipts: Sequence[Receipt]) -> None:
    for (_, future), receipt in zip(batch, receipts, strict=True):
        if not future.done():
            future.set_result(receipt)
