"""Pausing and resuming endpoints, and trying them with a test event."""

from uuid import UUID

from aiohttp import web

from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.operations import catch_up, endpoint_tests, endpoints
from relay.admin.pages import fields, visible
from relay.admin.pages.flash import Tone, go_on
from relay.admin.pages.rendering import render

PATIENCE = 2.0
"""Seconds that the answer to a test event is waited for; after that its own page shows it."""


async def pause(request: web.Request) -> web.StreamResponse:
    """Hold an endpoint's deliveries."""
    endpoint_id = await _endpoint_id(request)
    async with request.app[CONTEXT].sessions.session() as session:
        done = await endpoints.pause(session, endpoint_id, actor=request[PRINCIPAL].actor)
    text = (
        "It is paused: its deliveries wait." if done.is_changed else f"It is {done.endpoint.state} already."
    )
    return go_on(request, f"/endpoints/{endpoint_id}", text)


async def show_resume(request: web.Request) -> web.StreamResponse:
    """Ask what is to become of what waited."""
    async with request.app[CONTEXT].sessions.session() as session:
        endpoint = await visible.endpoint(session, request[PRINCIPAL], fields.path_id(request, "endpoint_id"))
    return render(request, "resume.html", endpoint=endpoint)


async def resume(request: web.Request) -> web.StreamResponse:
    """Send to an endpoint again, with or without what waited."""
    values = await fields.values_of(request)
    endpoint_id = await _endpoint_id(request)
    actor = request[PRINCIPAL].actor
    text = "It is resumed: what waited is sent now."
    async with request.app[CONTEXT].sessions.patient() as session:
        if values.get("catch_up") == "no":
            number = await catch_up.discard_held(session, endpoint_id, actor=actor)
            text = f"It is resumed; {number} deliveries that waited were given up."
        done = await endpoints.resume(session, endpoint_id, actor=actor)
    return go_on(request, f"/endpoints/{endpoint_id}", text if done.is_changed else "It is active.")


async def send_test(request: web.Request) -> web.StreamResponse:
    """Send a test event to an endpoint and show what came of it."""
    endpoint_id = await _endpoint_id(request)
    async with request.app[CONTEXT].sessions.session() as session:
        event_id = await endpoint_tests.send(session, endpoint_id, actor=request[PRINCIPAL].actor)
        report = await endpoint_tests.outcome(session, event_id, limit=PATIENCE)
    states = {each.state for each in report.deliveries}
    text, tone = _said(states)
    is_fanned_out = any(each.endpoint_id == endpoint_id for each in report.deliveries)
    return go_on(
        request,
        f"/deliveries/{event_id}/{endpoint_id}" if is_fanned_out else f"/events/{event_id}",
        text,
        tone,
    )


def _said(states: set[str]) -> tuple[str, Tone]:
    if "delivered" in states:
        return "The test event was delivered.", "good"
    if states & endpoint_tests.ENDED:
        return "The test event was not delivered; below is what came back. It is not tried again.", "bad"
    return "The test event is on its way; this page shows what becomes of it.", "note"


async def _endpoint_id(request: web.Request) -> UUID:
    """Return the id of an endpoint that whoever asks may see."""
    endpoint_id = fields.path_id(request, "endpoint_id")
    async with request.app[CONTEXT].sessions.session() as session:
        await visible.endpoint(session, request[PRINCIPAL], endpoint_id)
    return endpoint_id
