"""Finding events, and the page of one."""

from aiohttp import web

from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.operations import endpoint_names, event_pages, events
from relay.admin.operations.errors import InvalidInput, NotFound
from relay.admin.operations.event_pages import EventFilter
from relay.admin.operations.explain import explain
from relay.admin.pages import fields, visible
from relay.admin.pages.delivery import as_file
from relay.admin.pages.flash import go_on
from relay.admin.pages.pages_of import PageLinks
from relay.admin.pages.rendering import render
from relay.admin.principal import Principal

ON_A_PAGE = 50
NAMES = ("id", "type", "tenant", "ordering_key", "dedupe_key", "since", "until")
_MOST_SHOWN = 64 * 1024
_MOST_DELIVERIES = 500
_SOON = {"pending", "in_flight"}


async def list_events(request: web.Request) -> web.StreamResponse:
    """Show the events that match the filters in the address; an id leads to that event at once."""
    links = PageLinks.of(request, NAMES)
    principal = request[PRINCIPAL]
    problem, page, status = None, None, 200
    try:
        if (event_id := fields.id_of(links.filters, "id")) is not None:
            raise web.HTTPSeeOther(f"/events/{event_id}")
        async with request.app[CONTEXT].sessions.session() as session:
            page = await event_pages.page(
                session, _filter_of(links.filters, principal), limit=ON_A_PAGE, cursor=links.cursor
            )
    except InvalidInput as error:
        problem, status = str(error), 422
    return render(request, "events.html", status=status, links=links, page=page, problem=problem)


async def show_event(request: web.Request) -> web.StreamResponse:
    """Show an event: what it carries, and what became of it at each endpoint."""
    event_id = fields.path_id(request, "event_id")
    async with request.app[CONTEXT].sessions.session() as session:
        report = await visible.event(session, request[PRINCIPAL], event_id)
        names = await endpoint_names.of(
            session, (each.endpoint_id for each in report.deliveries[:_MOST_DELIVERIES])
        )
    shown = report.deliveries[:_MOST_DELIVERIES]
    explained = [
        explain(each, now=report.asked_at, is_relay_running=report.is_relay_running) for each in shown
    ]
    return render(
        request,
        "event.html",
        event=report.event,
        deliveries=list(zip(shown, explained, strict=True)),
        names=names,
        hidden=len(report.deliveries) - len(shown),
        refreshes=any(each.state in _SOON for each in shown),
        most_shown=_MOST_SHOWN,
    )


async def download_payload(request: web.Request) -> web.StreamResponse:
    """Send what an event carries, byte for byte, as a file."""
    event_id = fields.path_id(request, "event_id")
    async with request.app[CONTEXT].sessions.session() as session:
        await visible.event(session, request[PRINCIPAL], event_id)
        row = await session.fetch_row("event_body", event_id)
    if row is None or row["body"] is None:
        raise NotFound(f"event {event_id} carries nothing any more: it was expunged")
    return as_file(row["body"], f"event-{event_id}.{'json' if row['is_json'] else 'bin'}")


async def confirm_cancel(request: web.Request) -> web.StreamResponse:
    """Ask whether an event is to be withdrawn."""
    event_id = fields.path_id(request, "event_id")
    async with request.app[CONTEXT].sessions.session() as session:
        report = await visible.event(session, request[PRINCIPAL], event_id)
    return render(
        request,
        "confirm.html",
        title="Withdraw this event?",
        text=f"What of this {report.event.event_type} has not been sent will not be. What is in flight ends by itself, "
        "and what was delivered stays so. This cannot be taken back.",
        target=f"/events/{event_id}/cancel",
        button="Withdraw it",
        back=f"/events/{event_id}",
        fields={},
    )


async def cancel(request: web.Request) -> web.StreamResponse:
    """Withdraw an event and show it."""
    event_id = fields.path_id(request, "event_id")
    principal = request[PRINCIPAL]
    async with request.app[CONTEXT].sessions.session() as session:
        await visible.event(session, principal, event_id)
        is_new = await events.cancel(session, event_id, actor=principal.actor)
    text = "The event is withdrawn." if is_new else "The event was withdrawn before."
    return go_on(request, f"/events/{event_id}", text)


def _filter_of(values: fields.Values, principal: Principal) -> EventFilter:
    return EventFilter(
        event_type=fields.text_of(values, "type"),
        tenant=fields.text_of(values, "tenant") if principal.tenant is None else principal.tenant,
        ordering_key=fields.text_of(values, "ordering_key"),
        dedupe_key=fields.text_of(values, "dedupe_key"),
        since=fields.moment_of(values, "since"),
        until=fields.moment_of(values, "until"),
    )
