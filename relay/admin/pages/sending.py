"""Stopping all sending, and going on."""

from aiohttp import web

from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.operations import sending
from relay.admin.pages import fields
from relay.admin.pages.flash import go_on
from relay.admin.pages.rendering import render
from relay.admin.principal import Principal
from relay.admin.problems import Problem, ProblemError


async def confirm_pause(request: web.Request) -> web.StreamResponse:
    """Ask whether all sending is to be stopped."""
    tenant = request[PRINCIPAL].tenant
    whose = "everything" if tenant is None else f"tenant {tenant or '(none)'}"
    return render(
        request,
        "confirm.html",
        title=f"Pause sending for {whose}?",
        text="What is in flight ends by itself; from then on deliveries wait, also over a restart, until sending is "
        "resumed. Applications are not disturbed, and the time that a delivery waits does not count against its "
        "retries.",
        target="/sending/pause",
        button="Pause sending",
        back="/",
        fields={"all": "yes"} if tenant is None else {"tenant": tenant},
    )


async def pause(request: web.Request) -> web.StreamResponse:
    """Stop sending, for everything or a tenant."""
    tenant = _tenant_of(request[PRINCIPAL], await fields.values_of(request))
    async with request.app[CONTEXT].sessions.session() as session:
        is_new = await sending.pause(session, tenant, actor=request[PRINCIPAL].actor)
    return go_on(request, "/", "Sending is paused." if is_new else "Sending was paused already.")


async def resume(request: web.Request) -> web.StreamResponse:
    """Go on sending."""
    tenant = _tenant_of(request[PRINCIPAL], await fields.values_of(request))
    async with request.app[CONTEXT].sessions.patient() as session:
        was_paused = await sending.resume(session, tenant, actor=request[PRINCIPAL].actor)
    return go_on(request, "/", "Sending goes on." if was_paused else "Sending was not paused.")


def _tenant_of(principal: Principal, values: fields.Values) -> str | None:
    """Return whose sending it is about; None: everybody's.

    Raises:
        ProblemError: It is about others than the token's tenant (403).
    """
    wanted = None if values.get("all") == "yes" else values.get("tenant", "")
    if principal.tenant is not None and wanted != principal.tenant:
        detail = f"the token {principal.name!r} is for one tenant, and this is about others"
        raise ProblemError(Problem(status=403, code="scope", detail=detail))
    return wanted
