"""Publishing an event by hand."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.operations import events
from relay.admin.operations.errors import InvalidInput
from relay.admin.operations.events import NewEvent
from relay.admin.pages import fields, visible
from relay.admin.pages.endpoint_form import Form
from relay.admin.pages.flash import Tone, go_on
from relay.admin.pages.rendering import render

_DEFAULTS = {"event_type": "relay.test", "payload": '{"test": true}'}
_READERS: Mapping[str, Callable[[fields.Values, str], Any]] = {
    "ordering_key": fields.text_of,
    "dedupe_key": fields.text_of,
    "sequence": fields.number_of,
    "endpoint_id": fields.id_of,
    "deliver_at": lambda values, name: fields.moment_of(values, name, ahead=True),
    "expires_at": lambda values, name: fields.moment_of(values, name, ahead=True),
}
_FIELDS = ("event_type", "payload", "tenant", *_READERS)


async def show_form(request: web.Request) -> web.StreamResponse:
    """Show the form; the address may fill it in."""
    given = {name: request.query[name] for name in _FIELDS if name in request.query}
    return render(request, "event_form.html", form=Form(values={**_DEFAULTS, **given}))


async def publish(request: web.Request) -> web.StreamResponse:
    """Publish an event and show it."""
    values = await fields.values_of(request)
    principal = request[PRINCIPAL]
    given, errors = _read(values)
    if not errors:
        tenant = values.get("tenant", "") if principal.tenant is None else principal.tenant
        wanted = NewEvent(
            event_type=values.get("event_type", ""), payload=values.get("payload", ""), tenant=tenant, **given
        )
        try:
            async with request.app[CONTEXT].sessions.session() as session:
                if wanted.endpoint_id is not None:
                    await visible.endpoint(session, principal, wanted.endpoint_id)
                done = await events.publish(session, wanted, actor=principal.actor)
        except InvalidInput as error:
            errors = {_field_of(error): str(error)}
        else:
            text, tone = _said(done)
            return go_on(request, f"/events/{done.event_id}", text, tone)
    return render(request, "event_form.html", status=422, form=Form(values=values, errors=errors))


def _read(values: fields.Values) -> tuple[dict[str, Any], dict[str, str]]:
    given: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, reader in _READERS.items():
        try:
            given[name] = reader(values, name)
        except InvalidInput as error:
            errors[name] = str(error)
    return given, errors


def _field_of(error: InvalidInput) -> str:
    """Return the field that a refusal is about, if it names one of them; "" if that is none."""
    said = str(error)
    if "type json" in said:
        return "payload"  # the database says what of it is not JSON
    return next((name for name in _FIELDS if said.startswith(name) or f'"{name}"' in said), "")


def _said(done: events.Published) -> tuple[str, Tone]:
    if not done.is_new:
        return "Nothing was stored: the dedupe key was used before. This is the first event of it.", "note"
    if not done.endpoints:
        return "The event is published, and nobody will get it: no endpoint subscribes to its type.", "note"
    who = "one endpoint" if done.endpoints == 1 else f"{done.endpoints} endpoints"
    return f"The event is published; {who} will get it.", "good"
