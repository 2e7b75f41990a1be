"""The demo's application: business rows and events in one transaction, some of which it rolls back."""

import asyncio
import random
import time
from decimal import Decimal
from typing import TypeAlias

import asyncpg

from relay.demo.business import INSERT_EVENTS, INSERT_INVOICE, TENANT, Draft, customer, drafts, subscribers
from relay.demo.records import Event, digest_of
from relay.demo.tally import Tally

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECTIONS = 4
STATEMENT_LIMIT = 15.0
MOST_EVENTS = 4
ROLLED_BACK_EVERY = 16
"""The first transaction, and then one in so many, is rolled back: 6 %."""


class Application:
    """Commits invoices and events until it has committed enough, or is stopped.

    Args:
        dsn: The database.
        tally: Told what was committed and what was rolled back.
        goal: How many events to commit in all; None: until it is stopped.
        rate: Events a second at most; None: as fast as it can.
    """

    def __init__(self, *, dsn: str, tally: Tally, goal: int | None, rate: float | None) -> None:
        self._dsn = dsn
        self._tally = tally
        self._left = goal
        self._pace = None if rate is None else 1 / rate
        self._next_turn = 0.0
        self._started = 0
        self._stop = asyncio.Event()
        self._dice = random.Random()  # noqa: S311 - examples, not secrets

    def stop(self) -> None:
        """End after the transactions that are open."""
        self._stop.set()

    async def run(self) -> None:
        """Work over several connections until the goal is reached or `stop` is called.

        Raises:
            ExceptionGroup: A connection failed.
        """
        async with asyncio.TaskGroup() as tasks:
            for number in range(CONNECTIONS):
                tasks.create_task(self._work(), name=f"application {number}")

    async def _work(self) -> None:
        connection = await asyncpg.connect(
            self._dsn,
            timeout=STATEMENT_LIMIT,
            command_timeout=STATEMENT_LIMIT,
            server_settings={"application_name": "demo application"},
        )
        try:
            while not self._stop.is_set() and (count := self._take()):
                await self._wait_for_turn(count)
                if self._stop.is_set():
                    break
                await self._transact(connection, count)
        finally:
            connection.terminate()

    def _take(self) -> int:
        """Return how many events the next transaction is to have; 0 when the goal is in reach of those open."""
        count = self._dice.choice((1, 1, 1, 1, 2, MOST_EVENTS))
        if self._left is None:
            return count
        count = min(count, self._left)
        self._left -= count
        return count

    def _give_back(self, count: int) -> None:
        if self._left is not None:
            self._left += count

    async def _wait_for_turn(self, count: int) -> None:
        if self._pace is None:
            return
        now = time.monotonic()
        turn = max(self._next_turn, now)
        self._next_turn = turn + count * self._pace
        try:
            await asyncio.wait_for(self._stop.wait(), turn - now)
        except TimeoutError:
            return

    async def _transact(self, connection: Connection, count: int) -> None:
        """Commit an invoice with what happened to it; now and then, change one's mind at the last moment."""
        self._started += 1
        gives_up = self._started % ROLLED_BACK_EVERY == 1
        transaction = connection.transaction()
        await transaction.start()
        happened = await self._insert(connection, count)
        if gives_up:
            await transaction.rollback()
            self._give_back(count)
            self._tally.roll_back({str(each.id): (each.event_type, each.payload) for each in happened})
        else:
            await transaction.commit()
            self._tally.commit(tuple(_event_of(each) for each in happened))

    async def _insert(self, connection: Connection, count: int) -> tuple[Draft, ...]:
        name = customer(self._dice)
        amount = str(Decimal(self._dice.randrange(1, 500_000)) / 100)
        invoice = await connection.fetchval(INSERT_INVOICE, name, amount)
        happened = drafts(self._dice, invoice=invoice, name=name, amount=amount, count=count)
        columns = ([each.id for each in happened], [each.event_type for each in happened])
        await connection.execute(INSERT_EVENTS, *columns, [each.payload for each in happened], TENANT)
        return happened


def _event_of(draft: Draft) -> Event:
    return Event(
        id=str(draft.id),
        event_type=draft.event_type,
        digest=digest_of(draft.payload),
        endpoints=subscribers(draft.event_type),
    )
