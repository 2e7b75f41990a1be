"""The audit: who changed what, and when."""

from aiohttp import web

from relay.admin.context import CONTEXT
from relay.admin.operations import audit
from relay.admin.operations.audit import AuditFilter
from relay.admin.operations.errors import InvalidInput
from relay.admin.pages import fields, visible
from relay.admin.pages.pages_of import PageLinks
from relay.admin.pages.rendering import render

ON_A_PAGE = 50
NAMES = ("actor", "action", "object", "since", "until")


async def list_audit(request: web.Request) -> web.StreamResponse:
    """Show the entries that match the filters in the address."""
    visible.check_all_tenants(request, "the audit")
    links = PageLinks.of(request, NAMES)
    problem, page, status = None, None, 200
    try:
        wanted = AuditFilter(
            actor=fields.text_of(links.filters, "actor"),
            action=fields.text_of(links.filters, "action"),
            object=fields.text_of(links.filters, "object"),
            since=fields.moment_of(links.filters, "since"),
            until=fields.moment_of(links.filters, "until"),
        )
        async with request.app[CONTEXT].sessions.session() as session:
            page = await audit.page(session, wanted, limit=ON_A_PAGE, cursor=links.cursor)
    except InvalidInput as error:
        problem, status = str(error), 422
    return render(request, "audit.html", status=status, links=links, page=page, problem=problem)
