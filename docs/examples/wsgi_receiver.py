"""A receiver as a WSGI application of its own.

pip install outbox-relay waitress
createdb shop && psql shop -f booking.sql
DATABASE_URL=postgresql:///shop WEBHOOK_SECRET=whsec_... PORT=8000 python wsgi_receiver.py
"""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import waitress

from relay.receiver import Event, IgnoreStale, Inbox
from relay.receiver.adapters.door import Door
from relay.receiver.adapters.wsgi import WsgiReceiver


async def handle(connection: Any, event: Event) -> None:
    """Book an event, in the transaction that marks it done: both happen, or neither."""
    await connection.execute(
        "insert into booking (event_id, invoice, version) values ($1, $2, $3)",
        event.event_id,
        event.ordering_key,
        event.version,
    )


inbox = Inbox(
    os.environ["DATABASE_URL"],
    secrets=os.environ["WEBHOOK_SECRET"].split(),
    handler=handle,
    ordering=IgnoreStale(key="/invoice"),
)


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """Run the inbox, its schema up to date."""
    await inbox.migrate()
    async with inbox:
        yield


receiver = WsgiReceiver(Door(inbox), lifespan=running())

if __name__ == "__main__":
    # waitress knows only Ctrl-C; this makes a stop by systemd or Docker as clean.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with receiver:
        waitress.serve(receiver, host="127.0.0.1", port=int(os.environ["PORT"]), threads=8)
