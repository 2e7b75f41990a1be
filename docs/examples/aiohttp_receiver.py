"""A receiver with aiohttp.

pip install outbox-relay
createdb shop && psql shop -f booking.sql
DATABASE_URL=postgresql:///shop WEBHOOK_SECRET=whsec_... PORT=8000 python aiohttp_receiver.py
"""

import os
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from relay.receiver import Event, IgnoreStale, Inbox
from relay.receiver.adapters.aiohttp import aiohttp_route
from relay.receiver.adapters.door import Door


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


async def run_inbox(_application: web.Application) -> AsyncIterator[None]:
    """Run the inbox, its schema up to date."""
    await inbox.migrate()
    async with inbox:
        yield


application = web.Application()
application.cleanup_ctx.append(run_inbox)
application.router.add_route("*", "/hook", aiohttp_route(Door(inbox)))

if __name__ == "__main__":
    web.run_app(application, host="127.0.0.1", port=int(os.environ["PORT"]), print=None)
