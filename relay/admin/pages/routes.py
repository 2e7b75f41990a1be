"""Every route of the panel."""

import asyncio

from aiohttp import web

from relay.admin.pages import overview, sign_in
from relay.admin.routes import Route

STOPPING = web.AppKey("stopping", asyncio.Event)
"""Set when the server stops: what streams ends then."""

ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/", answer=overview.overview, scope="read"),
    Route(method="GET", path="/sign-in", answer=sign_in.show_sign_in, scope=None),
    Route(method="POST", path="/sign-in", answer=sign_in.sign_in, scope=None),
    Route(method="POST", path="/sign-out", answer=sign_in.sign_out, scope="read"),
)
