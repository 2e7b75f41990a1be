"""Making and changing endpoints."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from aiohttp import web

from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.operations import endpoints
from relay.admin.operations.endpoint_values import EndpointDetails
from relay.admin.operations.errors import InvalidInput
from relay.admin.pages import fields, visible
from relay.admin.pages.endpoint_form import Form, changes_of, form_of, new_endpoint_of, new_form, read
from relay.admin.pages.flash import go_on
from relay.admin.pages.rendering import render
from relay.durations import parse_duration


async def show_new(request: web.Request) -> web.StreamResponse:
    """Show the form of a new endpoint."""
    return _form_page(request, new_form(), None)


async def create(request: web.Request) -> web.StreamResponse:
    """Make an endpoint and show its secret, which no page shows again; what is wrong stands beside its field."""
    values = await fields.values_of(request)
    context, principal = request.app[CONTEXT], request[PRINCIPAL]
    rules = context.url_rules()
    given, errors = read(values, rules, principal.tenant)
    if errors:
        return _form_page(request, _with_errors(values, errors), None)
    tenant = values.get("tenant", "") if principal.tenant is None else principal.tenant
    try:
        async with context.sessions.session() as session:
            added = await endpoints.add(
                session,
                new_endpoint_of(given, tenant),
                rules=rules,
                box=context.box(),
                actor=principal.actor,
                secret=values.get("secret") or None,
            )
    except InvalidInput as error:
        return _form_page(request, _with_errors(values, {_field_of(error): str(error)}), None)
    return _secret_page(request, added.endpoint, added.secret, "The endpoint is made")


async def show_edit(request: web.Request) -> web.StreamResponse:
    """Show the form of an endpoint."""
    endpoint = await _endpoint_of(request)
    return _form_page(request, form_of(endpoint), endpoint)


async def edit(request: web.Request) -> web.StreamResponse:
    """Change an endpoint and show it."""
    values = await fields.values_of(request)
    context, principal = request.app[CONTEXT], request[PRINCIPAL]
    endpoint = await _endpoint_of(request)
    rules = context.url_rules()
    given, errors = read(values, rules, principal.tenant)
    if errors:
        return _form_page(request, _with_errors(values, errors), endpoint)
    changes = changes_of(given, endpoint)
    here = f"/endpoints/{endpoint.id}"
    if not changes.changed():
        return go_on(request, here, "Nothing was changed: all fields are as they were.", "note")
    try:
        async with context.sessions.session() as session:
            await endpoints.edit(session, endpoint.id, changes, rules=rules, actor=principal.actor)
    except InvalidInput as error:
        return _form_page(request, _with_errors(values, {_field_of(error): str(error)}), endpoint)
    changed = ", ".join(each.replace("_", " ") for each in changes.changed())
    return go_on(request, here, f"Changed: {changed}. It takes effect within a second.")


async def show_rotate(request: web.Request) -> web.StreamResponse:
    """Ask how long the old secret is to sign as well."""
    overlap = request.app[CONTEXT].settings().security.secret_overlap
    return render(request, "rotate.html", endpoint=await _endpoint_of(request), overlap=overlap, problem=None)


async def rotate(request: web.Request) -> web.StreamResponse:
    """Give an endpoint another secret and show it, this once."""
    values = await fields.values_of(request)
    context, endpoint = request.app[CONTEXT], await _endpoint_of(request)
    overlap = context.settings().security.secret_overlap
    try:
        chosen = _overlap_of(values, overlap)
        async with context.sessions.patient() as session:
            rotated = await endpoints.rotate_secret(
                session,
                endpoint.id,
                box=context.box(),
                actor=request[PRINCIPAL].actor,
                overlap=chosen,
                secret=values.get("secret") or None,
            )
    except InvalidInput as error:
        return render(
            request, "rotate.html", status=422, endpoint=endpoint, overlap=overlap, problem=str(error)
        )
    return _secret_page(request, rotated.endpoint, rotated.secret, "The secret is rotated", chosen)


async def confirm_remove(request: web.Request) -> web.StreamResponse:
    """Ask whether an endpoint is to be removed."""
    endpoint = await _endpoint_of(request)
    return render(
        request,
        "confirm.html",
        title="Remove this endpoint?",
        text=f"{endpoint.url} gets nothing any more, what waits for it is given up, and its secrets are deleted. "
        "This cannot be taken back; to stop for a while, pause it instead.",
        target=f"/endpoints/{endpoint.id}/remove",
        button="Remove it",
        back=f"/endpoints/{endpoint.id}",
        fields={},
    )


async def remove(request: web.Request) -> web.StreamResponse:
    """Remove an endpoint and show those that are left."""
    endpoint = await _endpoint_of(request)
    async with request.app[CONTEXT].sessions.patient() as session:
        removed = await endpoints.remove(session, endpoint.id, actor=request[PRINCIPAL].actor)
    return go_on(
        request,
        "/endpoints",
        f"{endpoint.url} is removed; {removed.ended} deliveries that waited were given up.",
    )


async def _endpoint_of(request: web.Request) -> EndpointDetails:
    endpoint_id: UUID = fields.path_id(request, "endpoint_id")
    async with request.app[CONTEXT].sessions.session() as session:
        return await visible.endpoint(session, request[PRINCIPAL], endpoint_id)


def _with_errors(values: fields.Values, errors: Mapping[str, str]) -> Form:
    """Return the form as it was filled in; a secret is not sent back."""
    return Form(values={name: value for name, value in values.items() if name != "secret"}, errors=errors)


def _form_page(request: web.Request, form: Form, endpoint: EndpointDetails | None) -> web.Response:
    return render(
        request,
        "endpoint_form.html",
        status=422 if form.errors else 200,
        form=form,
        endpoint=endpoint,
        delivery=request.app[CONTEXT].settings().delivery,
    )


def _secret_page(
    request: web.Request,
    endpoint: EndpointDetails,
    secret: str,
    title: str,
    overlap: timedelta | None = None,
) -> web.Response:
    values: Mapping[str, Any] = {"endpoint": endpoint, "secret": secret, "title": title, "overlap": overlap}
    return render(request, "secret.html", **values)


def _overlap_of(values: Mapping[str, str], default: timedelta) -> timedelta:
    """Return how long the old secret signs as well.

    Raises:
        InvalidInput: It is no span of time.
    """
    text = values.get("overlap", "")
    try:
        return parse_duration(text) if text else default
    except ValueError as error:
        raise InvalidInput(f"overlap: {error}") from None


def _field_of(error: InvalidInput) -> str:
    """Return the field that a refusal is about, as its first word says; "" if that is none."""
    word = str(error).partition(" ")[0].rstrip(":")
    return word if word in {"tenant", "description", "url", "secret"} else ""
