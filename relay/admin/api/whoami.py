"""What the token that was shown may do."""

from aiohttp import web

from relay.admin.api.answers import as_json
from relay.admin.context import PRINCIPAL


async def whoami(request: web.Request) -> web.StreamResponse:
    """Return the name, the scope and the tenant of the token."""
    principal = request[PRINCIPAL]
    return as_json({"name": principal.name, "scope": principal.scope, "tenant": principal.tenant})
