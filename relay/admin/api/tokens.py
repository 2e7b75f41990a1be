"""Tokens: list, create and revoke them."""

from dataclasses import asdict

from relay.admin.api.ask import Ask, Reply
from relay.admin.api.described import ApiRoute
from relay.admin.api.models import system as models
from relay.admin.api.models.fields import Changed
from relay.admin.operations import tokens


async def list_tokens(ask: Ask) -> Reply:
    """List the tokens, the newest first."""
    async with ask.session() as session:
        found = await tokens.list_all(session)
    return Reply(answer=models.Tokens(items=[models.Token.model_validate(each) for each in found]))


async def create_token(ask: Ask) -> Reply:
    """Create a token."""
    body: models.NewTokenBody = ask.body
    async with ask.session() as session:
        made = await tokens.create(
            session,
            body.name,
            scope=body.scope,
            actor=ask.actor,
            tenant=body.tenant,
            lifetime=body.expires_in,
        )
    return Reply(answer=models.CreatedToken.model_validate({**asdict(made.token), "secret": made.secret}))


async def revoke_token(ask: Ask) -> Reply:
    """Make a token worth nothing."""
    async with ask.session() as session:
        is_changed = await tokens.revoke(session, ask.ids["token_id"], actor=ask.actor)
    return Reply(answer=Changed(changed=is_changed))


ROUTES = (
    ApiRoute(
        method="GET",
        path="/tokens",
        call=list_tokens,
        scope="admin",
        tag="Tokens",
        summary="List the tokens, the newest first",
        answer=models.Tokens,
        for_tenants=False,
    ),
    ApiRoute(
        method="POST",
        path="/tokens",
        call=create_token,
        scope="admin",
        tag="Tokens",
        summary="Create a token",
        note="The answer has its secret, which is not shown again.",
        body=models.NewTokenBody,
        answer=models.CreatedToken,
        status=201,
        for_tenants=False,
    ),
    ApiRoute(
        method="POST",
        path="/tokens/{token_id}/revoke",
        call=revoke_token,
        scope="admin",
        tag="Tokens",
        summary="Make a token worth nothing, at once",
        answer=Changed,
        for_tenants=False,
    ),
)
