"""A receiver whose handler takes two seconds, as a program: what its sender notices of that is measured."""

import asyncio
import os
from collections.abc import AsyncIterator

from aiohttp import web

from relay.receiver import Event, Inbox
from relay.receiver.adapters.aiohttp import aiohttp_route
from relay.receiver.adapters.door import Door
from relay.receiver.schema import Connection

HANDLER_SECONDS = 2.0


async def handle(connection: Connection, event: Event) -> None:
    """Work for two seconds in the transaction."""
    await connection.execute("select $1::text", event.event_id)
    await asyncio.sleep(HANDLER_SECONDS)


async def run_inbox(application: web.Application) -> AsyncIterator[None]:
    """Run the inbox, its schema up to date."""
    inbox = Inbox(os.environ["DATABASE_URL"], secrets=os.environ["WEBHOOK_SECRET"], handler=handle)
    application.router.add_post("/hook", aiohttp_route(Door(inbox)))
    await inbox.migrate()
    async with inbox:
        yield


if __name__ == "__main__":
    served = web.Application()
    served.cleanup_ctx.append(run_inbox)
    web.run_app(served, host="127.0.0.1", port=int(os.environ["PORT"]), print=None, access_log=None)
