"""Endpoints: list, create, show, change, remove."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from relay.admin.api import tenancy
from relay.admin.api.ask import Ask, Reply
from relay.admin.api.described import ApiRoute
from relay.admin.api.models import endpoints as models
from relay.admin.api.once import Creation, once
from relay.admin.operations import endpoint_pages, endpoints
from relay.admin.operations.endpoint_pages import EndpointFilter
from relay.admin.operations.endpoint_values import EndpointChanges, NewEndpoint
from relay.admin.operations.endpoints import AddedEndpoint
from relay.http.url import InvalidUrl, check_url
from relay.store.session import Statements


async def list_endpoints(ask: Ask) -> Reply:
    """List endpoints, the oldest first."""
    query: models.EndpointsQuery = ask.query
    wanted = EndpointFilter(tenant=query.tenant, state=query.state, text=query.text)
    async with ask.session() as session:
        page = await endpoint_pages.page(session, wanted, limit=query.limit, cursor=query.cursor)
    return Reply(answer=models.EndpointPage.model_validate(page))


async def create_endpoint(ask: Ask) -> Reply:
    """Create an endpoint."""
    body: models.NewEndpointBody = ask.body
    wanted = NewEndpoint(**_fields(body, without={"secret", "tenant"}), tenant=body.tenant or "")

    async def create(statements: Statements, endpoint_id: UUID) -> AddedEndpoint:
        return await endpoints.add(
            statements,
            wanted,
            rules=ask.context.url_rules(),
            box=ask.context.box(),
            actor=ask.actor,
            secret=body.secret,
            endpoint_id=endpoint_id,
        )

    async def find(statements: Statements, endpoint_id: UUID) -> AddedEndpoint:
        found = await endpoints.show(statements, endpoint_id)
        secret = await endpoints.first_secret(statements, endpoint_id, box=ask.context.box())
        return AddedEndpoint(endpoint=found, secret=secret or "")

    creation = Creation(what="endpoint", create=create, find=find, id_of=lambda made: made.endpoint.id)
    added, is_new = await once(ask, creation)
    answer = models.CreatedEndpoint.model_validate({**asdict(added.endpoint), "secret": added.secret or None})
    return Reply(
        answer=answer,
        status=None if is_new else 200,
        headers={"Location": f"/api/v1/endpoints/{answer.id}"},
    )


async def show_endpoint(ask: Ask) -> Reply:
    """Show an endpoint."""
    async with ask.session() as session:
        found = await endpoints.show(session, ask.endpoint_id)
    return Reply(answer=models.Endpoint.model_validate(found))


async def change_endpoint(ask: Ask) -> Reply:
    """Change fields of an endpoint."""
    changes = EndpointChanges(**_fields(ask.body, only=ask.body.model_fields_set))
    async with ask.session() as session:
        found = await endpoints.edit(
            session, ask.endpoint_id, changes, rules=ask.context.url_rules(), actor=ask.actor
        )
    return Reply(answer=models.Endpoint.model_validate(found))


async def remove_endpoint(ask: Ask) -> Reply:
    """Remove an endpoint."""
    async with ask.session() as session:
        removed = await endpoints.remove(session, ask.endpoint_id, actor=ask.actor)
    return Reply(answer=models.RemovedEndpoint.model_validate(removed))


async def show_health(ask: Ask) -> Reply:
    """Show how an endpoint does."""
    async with ask.session() as session:
        found = await endpoint_pages.health(session, ask.endpoint_id)
    return Reply(answer=models.Health.model_validate(found))


async def check_url_of(ask: Ask) -> Reply:
    """Say whether an endpoint may have a URL."""
    rules, url = ask.context.url_rules(), ask.body.url
    try:
        checked = check_url(
            url,
            allow_http=rules.allow_http,
            allow_ports=rules.allow_ports,
            policy=rules.policy,
            own=rules.own,
        )
    except InvalidUrl as error:
        reason = tenancy.url_reason(error, ask.tenant)
        answer = models.UrlVerdict(url=url, allowed=False, code=error.reason, reason=reason)
    else:
        answer = models.UrlVerdict(url=checked.url, allowed=True, code=None, reason=None)
    return Reply(answer=answer)


def _fields(
    body: models.NewEndpointBody | models.EndpointChangesBody,
    *,
    only: set[str] | None = None,
    without: set[str] | None = None,
) -> dict[str, Any]:
    names = (only if only is not None else set(type(body).model_fields)) - (without or set())
    given = {name: getattr(body, name) for name in names}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


ROUTES = (
    ApiRoute(
        method="GET",
        path="/endpoints",
        call=list_endpoints,
        scope="read",
        tag="Endpoints",
        summary="List endpoints, the oldest first",
        query=models.EndpointsQuery,
        answer=models.EndpointPage,
    ),
    ApiRoute(
        method="POST",
        path="/endpoints",
        call=create_endpoint,
        scope="admin",
        tag="Endpoints",
        summary="Create an endpoint",
        note="The answer has its secret, which is not shown again.",
        body=models.NewEndpointBody,
        answer=models.CreatedEndpoint,
        status=201,
        creates_once=True,
    ),
    ApiRoute(
        method="GET",
        path="/endpoints/{endpoint_id}",
        call=show_endpoint,
        scope="read",
        tag="Endpoints",
        summary="Show an endpoint",
        answer=models.Endpoint,
    ),
    ApiRoute(
        method="PATCH",
        path="/endpoints/{endpoint_id}",
        call=change_endpoint,
        scope="admin",
        tag="Endpoints",
        summary="Change fields of an endpoint",
        note="Those that are left out stay as they are; null gives a limit back to the configuration.",
        body=models.EndpointChangesBody,
        answer=models.Endpoint,
    ),
    ApiRoute(
        method="DELETE",
        path="/endpoints/{endpoint_id}",
        call=remove_endpoint,
        scope="admin",
        tag="Endpoints",
        summary="Remove an endpoint, and end what waits for it",
        answer=models.RemovedEndpoint,
    ),
    ApiRoute(
        method="GET",
        path="/endpoints/{endpoint_id}/health",
        call=show_health,
        scope="read",
        tag="Endpoints",
        summary="Show how an endpoint does",
        answer=models.Health,
    ),
    ApiRoute(
        method="POST",
        path="/url-checks",
        call=check_url_of,
        scope="read",
        tag="Endpoints",
        summary="Say whether an endpoint may have a URL",
        body=models.UrlBody,
        answer=models.UrlVerdict,
    ),
)
