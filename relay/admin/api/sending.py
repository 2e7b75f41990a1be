"""Stopping and resuming all sending, or that of one tenant."""

from relay.admin.api.ask import Ask, Reply
from relay.admin.api.described import ApiRoute
from relay.admin.api.models import system as models
from relay.admin.api.models.fields import Changed
from relay.admin.operations import sending


async def list_pauses(ask: Ask) -> Reply:
    """List what is paused; a tenant sees its own pause alone."""
    async with ask.session() as session:
        found = await sending.list_pauses(session)
    seen = [each for each in found if ask.tenant is None or each.tenant == ask.tenant]
    return Reply(answer=models.Pauses(items=[models.Pause.model_validate(each) for each in seen]))


async def pause_sending(ask: Ask) -> Reply:
    """Stop sending everything, or what is for one tenant."""
    async with ask.session() as session:
        is_changed = await sending.pause(session, ask.body.tenant, actor=ask.actor)
    return Reply(answer=Changed(changed=is_changed))


async def resume_sending(ask: Ask) -> Reply:
    """Go on sending everything, or what is for one tenant."""
    async with ask.session() as session:
        is_changed = await sending.resume(session, ask.body.tenant, actor=ask.actor)
    return Reply(answer=Changed(changed=is_changed))


ROUTES = (
    ApiRoute(
        method="GET",
        path="/sending",
        call=list_pauses,
        scope="read",
        tag="Everything",
        summary="List what is paused",
        answer=models.Pauses,
    ),
    ApiRoute(
        method="POST",
        path="/sending/pause",
        call=pause_sending,
        scope="operate",
        tag="Everything",
        summary="Stop sending everything, or what is for one tenant",
        body=models.SendingBody,
        answer=Changed,
    ),
    ApiRoute(
        method="POST",
        path="/sending/resume",
        call=resume_sending,
        scope="operate",
        tag="Everything",
        summary="Go on sending everything, or what is for one tenant",
        body=models.SendingBody,
        answer=Changed,
    ),
)
