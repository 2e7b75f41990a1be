"""Alerts: those that last, and those that are over."""

from aiohttp import web

from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.operations.alerts import list_alerts
from relay.admin.operations.errors import InvalidInput
from relay.admin.pages.pages_of import PageLinks
from relay.admin.pages.rendering import render

ON_A_PAGE = 50
_MOST_ACTIVE = 100


async def show_alerts(request: web.Request) -> web.StreamResponse:
    """Show what lasts, and below it what is over, the newest first."""
    links = PageLinks.of(request, ())
    tenant = request[PRINCIPAL].tenant
    before = _before(links.cursor)
    async with request.app[CONTEXT].sessions.session() as session:
        active = await list_alerts(session, active=True, tenant=tenant, before=None, limit=_MOST_ACTIVE)
        over = await list_alerts(session, active=False, tenant=tenant, before=before, limit=ON_A_PAGE + 1)
    shown = over[:ON_A_PAGE]
    older = links.older(str(shown[-1].id)) if len(over) > ON_A_PAGE else None
    return render(request, "alerts.html", links=links, active=active, over=shown, older=older)


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 18:  # noqa: PLR2004 - it fits into 64 bits
        raise InvalidInput("this address leads nowhere; begin with the newest alerts")
    return int(cursor)
