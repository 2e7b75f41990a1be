"""A receiver in a Django project, here all in one file.

pip install outbox-relay django waitress
createdb shop && psql shop -f booking.sql
DATABASE_URL=postgresql:///shop WEBHOOK_SECRET=whsec_... PORT=8000 python django_receiver.py
"""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import django
import waitress
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

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


@csrf_exempt  # the signature says more; and the check would read the body
def hook(request: HttpRequest) -> HttpResponse:
    """Take a webhook; nothing before this may read the body, such as `request.POST` or `request.body`."""
    answer = receiver.answer(request.environ)
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.all_headers))


settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY=os.urandom(32).hex())
urlpatterns = [path("hook", hook)]
django.setup()
application = get_wsgi_application()

if __name__ == "__main__":
    # waitress knows only Ctrl-C; this makes a stop by systemd or Docker as clean.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with receiver:
        waitress.serve(application, host="127.0.0.1", port=int(os.environ["PORT"]), threads=8)
