"""A receiver in a Flask application.

pip install outbox-relay flask waitress
createdb shop && psql shop -f booking.sql
DATABASE_URL=postgresql:///shop WEBHOOK_SECRET=whsec_... PORT=8000 python flask_receiver.py
"""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import waitress
from flask import Flask, Response, request

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
application = Flask(__name__)


@application.post("/hook")
def hook() -> Response:
    """Take a webhook; nothing before this may read the body, such as `request.form` or `request.json`."""
    answer = receiver.answer(request.environ)
    return Response(answer.body, answer.status, answer.all_headers)


if __name__ == "__main__":
    # waitress knows only Ctrl-C; this makes a stop by systemd or Docker as clean.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with receiver:
        waitress.serve(application, host="127.0.0.1", port=int(os.environ["PORT"]), threads=8)
