"""The way of every request of the API: read, narrowed to its tenant, called, answered."""

from aiohttp import hdrs, web

from relay.admin.api import tenancy
from relay.admin.api.ask import Ask, Reply
from relay.admin.api.described import PREFIX, ApiRoute
from relay.admin.api.models.fields import PageOf
from relay.admin.api.reading import read_body, read_idempotency_key, read_ids, read_query
from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.operations.errors import InvalidInput
from relay.admin.routes import Route


def served(route: ApiRoute) -> Route:
    """Return the route as the listener takes it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        tenant = request[PRINCIPAL].tenant
        try:
            ask = await _read(request, route)
            reply = await route.call(ask)
        except InvalidInput as error:
            problem = tenancy.refusal_of(error, tenant)
            if problem is None:
                raise
            raise problem from error
        return _written(request, route, reply)

    return Route(method=route.method, path=PREFIX + route.path, answer=answer, scope=route.scope)


async def _read(request: web.Request, route: ApiRoute) -> Ask:
    principal = request[PRINCIPAL]
    tenancy.check_route(principal, for_tenants=route.for_tenants)
    ids = read_ids(request)
    query = tenancy.narrowed(read_query(request, route.query), principal.tenant)
    body, text = await read_body(request, route.body, is_optional=route.is_body_optional)
    context = request.app[CONTEXT]
    if principal.tenant is not None and ids:
        async with context.sessions.session() as session:
            await tenancy.check_path(session, ids, principal.tenant)
    return Ask(
        context=context,
        principal=principal,
        query=query,
        body=tenancy.narrowed(body, principal.tenant),
        text=text,
        ids=ids,
        idempotency_key=read_idempotency_key(request) if route.creates_once else None,
    )


def _written(request: web.Request, route: ApiRoute, reply: Reply) -> web.Response:
    headers = dict(reply.headers)
    if isinstance(reply.answer, PageOf) and reply.answer.next_cursor is not None:
        target = request.rel_url.update_query(cursor=reply.answer.next_cursor)
        headers[hdrs.LINK] = f'<{target.raw_path_qs}>; rel="next"'
    return web.Response(
        status=reply.status or route.status,
        body=reply.answer.model_dump_json().encode(),
        content_type="application/json",
        headers=headers,
    )
