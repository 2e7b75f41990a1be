"""`relay token`: who may use the panel and its API."""

from datetime import timedelta
from uuid import UUID

import click

from relay.admin.operations import tokens
from relay.admin.operations.tokens import CreatedToken
from relay.admin.principal import SCOPES, Scope
from relay.cli import params
from relay.cli.common import Access, OutputFormat, output_option, say, with_access
from relay.cli.output import Column, plain, show_fields, show_rows
from relay.config_places import Address
from relay.store.session import Session

_COLUMNS = (
    Column(heading="id", value=lambda row: row.id, is_id=True),
    Column(heading="name", value=lambda row: row.name),
    Column(heading="scope", value=lambda row: row.scope),
    Column(heading="tenant", value=lambda row: row.tenant),
    Column(heading="created", value=lambda row: row.created_at),
    Column(heading="expires", value=lambda row: row.expires_at),
    Column(heading="last used", value=lambda row: row.last_used_at),
    Column(heading="revoked", value=lambda row: row.revoked_at),
)
_scope = click.option(
    "--scope", type=click.Choice(SCOPES), help="read: see; operate: also retry, pause, publish; admin: all."
)
_tenant = click.option("--tenant", metavar="NAME", help="It sees and changes only what is this tenant's.")
LINK_DEFAULT = timedelta(hours=12)


@click.group()
def token() -> None:
    """Make, list and revoke tokens for the panel and its API."""


@token.command()
@with_access
@click.argument("name")
@_scope
@_tenant
@click.option("--expires-in", type=params.duration, metavar="DURATION", help="When it ends; default: never.")
@output_option()
def create(
    access: Access,
    name: str,
    output: OutputFormat,
    *,
    scope: Scope | None,
    tenant: str | None,
    expires_in: timedelta | None,
) -> None:
    """Make a token called NAME, which says what it is for, and print it: it is shown this once.

    Without --scope it may read.
    """
    made = access.run(
        lambda session: tokens.create(
            session, name, scope=scope or "read", tenant=tenant, lifetime=expires_in, actor=access.actor
        )
    )
    say("Keep the token in a safe place: it is not stored, and not shown again.")
    show_fields({"secret": made.secret, **plain(made.token)}, output)


@token.command("list")
@with_access
@output_option()
def list_command(access: Access, output: OutputFormat) -> None:
    """List the tokens, the newest first; those revoked over 30 days ago are left out."""
    show_rows(access.run(tokens.list_all), _COLUMNS, output)


@token.command()
@with_access
@click.argument("token_id", type=click.UUID, metavar="ID")
def revoke(access: Access, token_id: UUID) -> None:
    """Make a token worth nothing, and end all sessions of the panel that began with it."""
    changed = access.run(lambda session: tokens.revoke(session, token_id, actor=access.actor))
    say("It is revoked." if changed else "It was revoked already.")


@token.command()
@with_access
@click.option("--name", default="link", show_default=True, help="What its token is called in the audit.")
@_scope
@_tenant
@click.option(
    "--expires-in",
    type=params.duration,
    default=LINK_DEFAULT,
    metavar="DURATION",
    help="When the session ends; 12h.",
)
@click.option("--url", metavar="URL", help="Where the panel is, if not at admin.listen.")
def link(
    access: Access,
    *,
    name: str,
    scope: Scope | None,
    tenant: str | None,
    expires_in: timedelta,
    url: str | None,
) -> None:
    """Print a link that signs a browser in to the panel, once, within ten minutes; without --scope as admin."""
    base = url or _base_url(access)

    async def make(session: Session) -> str:
        made: CreatedToken = await tokens.create(
            session, name, scope=scope or "admin", tenant=tenant, lifetime=expires_in, actor=access.actor
        )
        return await tokens.create_link_code(session, made.token.id)

    click.echo(f"{base.rstrip('/')}/sign-in?code={access.run(make)}")


def _base_url(access: Access) -> str:
    listen = access.settings.admin.listen
    if not isinstance(listen, Address):
        raise click.UsageError("admin.listen is no address with a port; say with --url where the panel is")
    scheme = "http" if access.settings.admin.tls_certificate is None else "https"
    return f"{scheme}://{listen}"
