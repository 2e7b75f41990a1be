"""An inbox on a test's database, requests that are signed for it, and a handler whose effects are counted."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from relay.http.signature import SignatureFormat, parse_secret, sign
from relay.receiver import Event, Inbox, Receipt, Retry
from relay.receiver.schema import Connection
from tests.support.application import SECRET
from tests.support.database import connected
from tests.support.waiting import eventually

AT_ONCE = Retry(base=timedelta(0), max_attempts=3)
EFFECTS = "create table effect (n bigint generated always as identity, event_id text, version bigint)"


def signed(
    body: bytes,
    event_id: str = "evt_1",
    *,
    fmt: str = "standard",
    secret: str = SECRET,
    at: int | None = None,
    **more: str,
) -> dict[str, str]:
    """Return the headers of a request that is signed now.

    Args:
        body: What is signed.
        event_id: Of the event.
        fmt: `standard`, `x-webhook` or `both`.
        secret: That signs.
        at: Unix time; None: now.
        more: Further headers, with _ for -.
    """
    moment = int(time.time()) if at is None else at
    pairs = sign(event_id, moment, body, [parse_secret(secret)], SignatureFormat(fmt))
    further = {name.replace("_", "-"): value for name, value in more.items()}
    return {"X-Webhook-Id": event_id, **dict(pairs), **further}


async def note_effect(connection: Connection, event: Event) -> None:
    """Do something that can be counted, in the transaction that the inbox gave."""
    await connection.execute(
        "insert into effect (event_id, version) values ($1, $2)", event.event_id, event.version
    )


class Received:
    """An inbox, and questions to its database.

    Attributes:
        inbox: Started.
    """

    def __init__(self, inbox: Inbox, connection: Any) -> None:
        self.inbox = inbox
        self._connection = connection

    async def receive(self, body: bytes = b"{}", event_id: str = "evt_1", **how: Any) -> Receipt:
        """Send the inbox a request that is signed now."""
        return await self.inbox.receive(body, signed(body, event_id, **how))

    async def effects(self) -> list[str]:
        """Return the ids of the events whose effects are committed, in their order."""
        return [
            row["event_id"] for row in await self._connection.fetch("select event_id from effect order by n")
        ]

    async def state(self, event_id: str = "evt_1") -> str:
        """Return the state of an event; empty if it is not there."""
        found = await self._connection.fetchval(
            "select state from relay_inbox.event where event_id = $1", event_id
        )
        return str(found or "")

    async def wait_for_state(self, state: str, event_id: str = "evt_1") -> None:
        """Wait until an event is in a state."""

        async def is_so() -> bool:
            return await self.state(event_id) == state

        await eventually(is_so, f"{event_id} is {state}")

    async def fetchval(self, statement: str, *arguments: object) -> Any:
        """Ask the database."""
        return await self._connection.fetchval(statement, *arguments)

    async def execute(self, statement: str, *arguments: object) -> None:
        """Tell the database."""
        await self._connection.execute(statement, *arguments)


def make_inbox(dsn: str, **how: Any) -> Inbox:
    """Return an inbox that is not started, quick to try again."""
    return Inbox(dsn, **{"secrets": SECRET, "handler": note_effect, "retry": AT_ONCE, **how})


@asynccontextmanager
async def receiving(dsn: str, **how: Any) -> AsyncIterator[Received]:
    """Run an inbox on a database for the length of the block, with a table for effects.

    Args:
        dsn: Of a database without an inbox, or with one from before.
        how: Arguments of `Inbox`.
    """
    inbox = make_inbox(dsn, **how)
    await inbox.migrate()
    async with connected(dsn) as connection:
        await connection.execute(EFFECTS.replace("table effect", "table if not exists effect"))
        async with inbox:
            yield Received(inbox, connection)


class Gate:
    """A handler that says when it was called, and waits until it may go on.

    Attributes:
        called: Set from the first call on.
        opened: Set it to let all go on.
    """

    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.opened = asyncio.Event()
        self.calls = 0

    async def handle(self, connection: Connection, event: Event) -> None:
        self.calls += 1
        await note_effect(connection, event)
        self.called.set()
        await self.opened.wait()
