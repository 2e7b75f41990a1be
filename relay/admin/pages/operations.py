"""Changes of many deliveries: prepare one, look at how many these are, start it, and watch it."""

from dataclasses import asdict, replace
from typing import Literal, cast, get_args

from aiohttp import web

from relay.admin import discretion
from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.operations import bulk, operation_pages
from relay.admin.operations.bulk import ReplayFilter
from relay.admin.operations.deliveries import Filter
from relay.admin.operations.errors import InvalidInput
from relay.admin.pages import fields, visible
from relay.admin.pages.delivery_filter import CHANGED_STATES, filter_of
from relay.admin.pages.flash import go_on
from relay.admin.pages.pages_of import PageLinks
from relay.admin.pages.rendering import render
from relay.lookback.operations import OVER, Action, Selected
from relay.store.session import Session

ON_A_PAGE = 50
_DID = {"start": "started", "pause": "paused", "resume": "resumed", "cancel": "cancelled"}


async def list_operations(request: web.Request) -> web.StreamResponse:
    """Show the operations there were, the newest first."""
    links = PageLinks.of(request, ())
    principal = request[PRINCIPAL]
    async with request.app[CONTEXT].sessions.session() as session:
        page = await operation_pages.page(
            session, limit=ON_A_PAGE, cursor=links.cursor, tenant=principal.tenant
        )
    page = replace(page, items=tuple(discretion.operation_for(each, principal) for each in page.items))
    return render(request, "operations.html", links=links, page=page)


async def prepare(request: web.Request) -> web.StreamResponse:
    """Select the deliveries that match, and lead to the page that says how many they are; nothing is changed yet."""
    values = await fields.values_of(request)
    kind, principal = values.get("kind", ""), request[PRINCIPAL]
    wanted = filter_of(values, principal)
    if kind not in CHANGED_STATES:
        raise InvalidInput("choose what is to be done: retry, discard or replay")
    if wanted.state not in CHANGED_STATES[kind]:
        raise InvalidInput(f"choose a state first: {kind} takes {', '.join(CHANGED_STATES[kind])}")
    async with request.app[CONTEXT].sessions.patient() as session:
        selected = await _select(session, kind, wanted, actor=principal.actor)
        if not selected.total:
            await bulk.forget(session, selected.operation_id)
    if not selected.total:
        return go_on(
            request, "/deliveries", "No delivery matches that any more, so there is nothing to do.", "note"
        )
    return go_on(request, f"/operations/{selected.operation_id}")


async def show_operation(request: web.Request) -> web.StreamResponse:
    """Show how far an operation is, or ask whether it is to be started."""
    async with request.app[CONTEXT].sessions.session() as session:
        found = await visible.operation(session, request[PRINCIPAL], _number_of(request))
        is_relay_running = await bulk.is_relay_running(session)
    return render(
        request,
        "operation.html",
        operation=found,
        is_relay_running=is_relay_running,
        is_over=found.state in OVER,
        refreshes=found.state == "running",
    )


async def change(request: web.Request) -> web.StreamResponse:
    """Start, pause, resume or cancel an operation, and show it."""
    action, number = request.match_info["action"], _number_of(request)
    if action not in get_args(Action):
        raise web.HTTPNotFound
    principal = request[PRINCIPAL]
    async with request.app[CONTEXT].sessions.session() as session:
        await visible.operation(session, principal, number)
        await bulk.change(session, number, cast(Action, action), actor=principal.actor)
    return go_on(request, f"/operations/{number}", f"Operation {number} is {_DID[action]}.")


async def _select(session: Session, kind: str, wanted: Filter, *, actor: str) -> Selected:
    if kind == "replay":
        return await bulk.prepare_replay(session, _as_replay(wanted), rate=None, actor=actor)
    kept = cast(Literal["retry", "discard"], kind)
    return await bulk.prepare_change(session, kept, wanted, rate=None, actor=actor)


def _as_replay(wanted: Filter) -> ReplayFilter:
    """Return the same as what is sent again of what was delivered.

    Raises:
        InvalidInput: It chooses by what the log does not select by.
    """
    if wanted.status_code is not None or wanted.reason is not None:
        raise InvalidInput(
            "what was delivered is chosen by endpoint, type, tenant and time, not by status or reason"
        )
    values = asdict(wanted)
    kept = {name: values[name] for name in ("endpoint_id", "event_type", "tenant", "since", "until")}
    return ReplayFilter(states=("delivered",), **kept)


def _number_of(request: web.Request) -> int:
    """Return the operation's number from the address.

    Raises:
        web.HTTPNotFound: It is none.
    """
    text = request.match_info["number"]
    if not text.isascii() or not text.isdecimal() or len(text) > 18:  # noqa: PLR2004 - it fits into 64 bits
        raise web.HTTPNotFound
    return int(text)
