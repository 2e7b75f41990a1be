"""The application of a test: inserts events with real transactions, and keeps books of what was committed."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID, uuid4

import asyncpg

from tests.support.database import Connection
from tests.support.waiting import LIMIT, eventually

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
"""The secret of every endpoint that a test gives none of its own."""


def sha256(body: bytes) -> str:
    """Return the hash that the books hold of a body."""
    return hashlib.sha256(body).hexdigest()


@dataclass(slots=True)
class Books:
    """What an application knows of its events: id and hash of the body.

    Attributes:
        doubtful: The reply to the commit was lost; `Application.settle` finds out.
    """

    committed: dict[UUID, str] = field(default_factory=dict)
    rolled_back: dict[UUID, str] = field(default_factory=dict)
    doubtful: dict[UUID, str] = field(default_factory=dict)


class Application:
    """Works on the database as applications and operators do by SQL, and connects again after a loss."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.books = Books()
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.close(timeout=5)

    async def connection(self) -> Connection:
        """Return the application's connection, opened anew if the last one was lost."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self.dsn, timeout=10)
        return self._connection

    # Events.

    async def insert(self, payload: str | None = '{"id": 1}', **columns: object) -> UUID:
        """Insert and commit one event, and return its id.

        Args:
            payload: JSON text; None for a `body`.
            columns: Of relay.outbox; the event_type is `invoice.paid` unless said.
        """
        (event_id,) = await self.insert_all([payload], **columns)
        return event_id

    async def insert_all(self, payloads: Iterable[str | None], **columns: object) -> list[UUID]:
        """Insert events in one statement and commit them; returns their ids."""
        return await self._in_transaction(payloads, columns, commits=True)

    async def insert_and_roll_back(self, payload: str = '{"id": 1}', **columns: object) -> UUID:
        """Insert an event in a transaction that is rolled back; it must never be sent."""
        (event_id,) = await self._in_transaction([payload], columns, commits=False)
        return event_id

    async def settle(self) -> None:
        """Find out which of the doubtful events were committed."""
        rows = await self.fetch("select id from relay.outbox where id = any($1)", list(self.books.doubtful))
        there = {row["id"] for row in rows}
        for event_id, digest in self.books.doubtful.items():
            (self.books.committed if event_id in there else self.books.rolled_back)[event_id] = digest
        self.books.doubtful.clear()

    async def _in_transaction(
        self, payloads: Iterable[str | None], columns: dict[str, object], *, commits: bool
    ) -> list[UUID]:
        rows = {uuid4(): _row(payload, columns) for payload in payloads}
        digests = {event_id: _digest(row) for event_id, row in rows.items()}
        connection = await self.connection()
        transaction = connection.transaction()
        await transaction.start()
        await insert_events(connection, [{"id": event_id, **row} for event_id, row in rows.items()])
        if commits:
            self.books.doubtful |= digests
            await transaction.commit()
            for event_id in digests:
                del self.books.doubtful[event_id]
            self.books.committed |= digests
        else:
            await transaction.rollback()
            self.books.rolled_back |= digests
        return list(digests)

    # The registry, by SQL as an operator may.

    async def add_endpoint(self, url: str, *, secrets: Iterable[str] = (SECRET,), **columns: object) -> UUID:
        """Add an endpoint, for all events unless `columns` of relay.endpoint say otherwise.

        Args:
            url: Where it is.
            secrets: The current one last; stored without encryption.
            columns: Of relay.endpoint.
        """
        connection = await self.connection()
        async with connection.transaction():
            return await insert_endpoint(connection, url, secrets, **columns)

    async def change_endpoint(self, endpoint_id: UUID, **columns: object) -> None:
        """Set columns of an endpoint."""
        sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 2))
        await self.execute(
            f"update relay.endpoint set {sets} where id = $1",
            endpoint_id,
            *columns.values(),
        )

    # Any SQL.

    async def execute(self, statement: str, *arguments: object) -> None:
        await (await self.connection()).execute(statement, *arguments)

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return await (await self.connection()).fetch(statement, *arguments)

    async def fetchval(self, statement: str, *arguments: object) -> Any:
        return await (await self.connection()).fetchval(statement, *arguments)

    async def wait_until(self, statement: str, *arguments: object, limit: float = LIMIT) -> Any:
        """Ask until the first value of `statement` is true, and return it."""
        return await eventually(
            lambda: self.fetchval(statement, *arguments), f"{statement} {arguments}", limit=limit
        )

    async def status(self, event_id: UUID) -> list[asyncpg.Record]:
        """Return what relay.delivery_status tells of an event, by endpoint."""
        return await self.fetch(
            "select * from relay.delivery_status where event_id = $1 order by endpoint_id", event_id
        )

    async def wait_for_state(
        self, event_id: UUID, state: str, *, reason: str | None = None, limit: float = LIMIT
    ) -> asyncpg.Record:
        """Wait until the one delivery of an event is in this state, and return its row of delivery_status."""
        await self.wait_until(
            "select true from relay.delivery_status"
            " where event_id = $1 and state = $2 and ($3::text is null or reason = $3)",
            event_id,
            state,
            reason,
            limit=limit,
        )
        (row,) = await self.status(event_id)
        return row

    async def wait_for_end(self, event_id: UUID, *, limit: float = LIMIT) -> str:
        """Wait until the one delivery of an event has ended, and return how: delivered or dead."""
        await self.wait_until(
            "select true from relay.delivery_status where event_id = $1 and state in ('delivered', 'dead')",
            event_id,
            limit=limit,
        )
        (row,) = await self.status(event_id)
        state: str = row["state"]
        return state

    async def log_of(self, event_id: UUID) -> list[asyncpg.Record]:
        """Return the delivery log of an event, oldest first."""
        return await self.fetch(
            "select * from relay.delivery_log where event_id = $1 order by attempted_at", event_id
        )


async def insert_events(connection: Connection, rows: list[dict[str, object]]) -> None:
    """Insert rows of relay.outbox, all with the same columns, in one statement; the caller commits."""
    names = list(rows[0])
    values = [value for row in rows for value in row.values()]
    places = ", ".join(
        "(" + ", ".join(f"${start + column}" for column in range(1, len(names) + 1)) + ")"
        for start in range(0, len(values), len(names))
    )
    await connection.execute(
        f"insert into relay.outbox ({', '.join(names)}) values {places}",
        *values,
    )


async def insert_endpoint(
    connection: Connection, url: str, secrets: Iterable[str] = (SECRET,), **columns: object
) -> UUID:
    """Insert an endpoint and its secrets, the current one last; the caller commits."""
    row = {"url": url, **columns}
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    endpoint_id: UUID = await connection.fetchval(
        f"insert into relay.endpoint ({', '.join(row)}) values ({places}) returning id",
        *row.values(),
    )
    for secret in secrets:
        await connection.execute(
            "insert into relay.endpoint_secret (endpoint_id, sealed) values ($1, $2)",
            endpoint_id,
            secret.encode(),
        )
    return endpoint_id


def _row(payload: str | None, columns: dict[str, object]) -> dict[str, object]:
    body = {} if payload is None else {"payload": payload}
    return {"event_type": "invoice.paid", **body, **columns}


def _digest(row: dict[str, object]) -> str:
    payload, body = row.get("payload"), row.get("body")
    if isinstance(payload, str):
        return sha256(payload.encode())
    assert isinstance(body, bytes), "an event has a payload or a body"
    return sha256(body)
