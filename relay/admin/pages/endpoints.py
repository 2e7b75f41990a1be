"""The list of endpoints with their health, and the page of one."""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from aiohttp import web

from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.operations import delivery_pages, endpoint_history, endpoint_pages
from relay.admin.operations.deliveries import DeliveryStatus, Filter
from relay.admin.operations.endpoint_history import Stretch
from relay.admin.operations.endpoint_pages import EndpointFilter, EndpointHealth
from relay.admin.operations.errors import InvalidInput
from relay.admin.pages import fields, visible
from relay.admin.pages.charts import Bar
from relay.admin.pages.pages_of import PageLinks
from relay.admin.pages.rendering import render
from relay.store.session import Session

ON_A_PAGE = 50
NAMES = ("state", "tenant", "text")
STATES = ("active", "paused", "disabled")
_RECENT = 8


async def list_endpoints(request: web.Request) -> web.StreamResponse:
    """Show the endpoints that match the filters in the address, and how each does."""
    links = PageLinks.of(request, NAMES)
    tenant = request[PRINCIPAL].tenant
    problem, page, health, status = None, None, {}, 200
    try:
        wanted = EndpointFilter(
            state=fields.text_of(links.filters, "state"),
            tenant=fields.text_of(links.filters, "tenant") if tenant is None else tenant,
            text=fields.text_of(links.filters, "text"),
        )
        async with request.app[CONTEXT].sessions.session() as session:
            page = await endpoint_pages.page(session, wanted, limit=ON_A_PAGE, cursor=links.cursor)
            health = await endpoint_pages.health_of(session, [each.id for each in page.items])
    except InvalidInput as error:
        problem, status = str(error), 422
    return render(
        request,
        "endpoints.html",
        status=status,
        links=links,
        page=page,
        health=health,
        problem=problem,
        states=STATES,
    )


async def show_endpoint(request: web.Request) -> web.StreamResponse:
    """Show an endpoint: how it does, how it did over a day, and what of it fails."""
    endpoint_id, principal = fields.path_id(request, "endpoint_id"), request[PRINCIPAL]
    async with request.app[CONTEXT].sessions.session() as session:
        endpoint = await visible.endpoint(session, principal, endpoint_id)
        health = await endpoint_pages.health(session, endpoint_id)
        history = await endpoint_history.of(session, endpoint_id)
        failing = await _failing(session, health)
        health = _at_least(health, failing)
        recent = await delivery_pages.page(session, Filter(endpoint_id=endpoint_id), limit=_RECENT)
    return render(
        request,
        "endpoint.html",
        endpoint=endpoint,
        health=health,
        stretches=[_bar(each) for each in history.stretches],
        history=history,
        failing=visible.statuses(failing, principal),
        recent=visible.statuses(recent.items, principal),
        settings=request.app[CONTEXT].settings(),
    )


async def _failing(session: Session, health: EndpointHealth) -> list[DeliveryStatus]:
    """Return the newest deliveries of an endpoint that fail, those that were given up first."""
    found: list[DeliveryStatus] = []
    numbers = (("dead", health.dead), ("retrying", health.retrying))
    states = [state for state, number in numbers if number or health.is_estimate]
    for state in states:
        wanted = Filter(endpoint_id=health.endpoint_id, state=state)
        found += (await delivery_pages.page(session, wanted, limit=_RECENT)).items
    return found[:_RECENT]


def _at_least(health: EndpointHealth, failing: list[DeliveryStatus]) -> EndpointHealth:
    """Return estimates that are no less than what is in sight: of few among very many an estimate may see none."""
    seen = Counter(each.state for each in failing)
    return replace(
        health,
        dead=max(health.dead, seen["dead"]),
        retrying=max(health.retrying, seen["retrying"]),
    )


def _bar(stretch: Stretch) -> Bar:
    about = "about " if stretch.is_estimate else ""
    return Bar(
        label=f"{_hour(stretch.begins)} UTC: {about}{stretch.delivered} delivered, {about}{stretch.failed} failed",
        good=stretch.delivered,
        bad=stretch.failed,
    )


def _hour(moment: datetime) -> str:
    return f"{moment:%H:%M}"
