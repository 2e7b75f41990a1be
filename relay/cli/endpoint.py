"""`relay endpoint`: where events go."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TextIO
from uuid import UUID

import click

from relay.admin.operations import catch_up, endpoints
from relay.admin.operations.endpoint_values import EndpointChanges, EndpointDetails, NewEndpoint
from relay.admin.operations.url_rules import url_rules
from relay.cli import params
from relay.cli.common import (
    Access,
    Function,
    OutputFormat,
    confirm,
    output_option,
    say,
    with_access,
    yes_option,
)
from relay.cli.endpoint_fields import field_options, given_fields
from relay.cli.lazy import LazyCommand, LazyGroup
from relay.cli.output import Column, plain, show_one, show_rows
from relay.durations import format_duration
from relay.store.sealing import check_sealing
from relay.store.session import Session

_COLUMNS = (
    Column(heading="id", value=lambda row: row.id, is_id=True),
    Column(heading="state", value=lambda row: row.state),
    Column(heading="tenant", value=lambda row: row.tenant),
    Column(heading="event types", value=lambda row: row.event_types),
    Column(heading="url", value=lambda row: row.url),
)
_LAZY = {
    "check": LazyCommand(
        target="relay.cli.endpoint_check:check", summary="Say of URLs whether an endpoint may have them."
    ),
    "test": LazyCommand(
        target="relay.cli.endpoint_test:test",
        summary="Send a test event to an endpoint, and show what came of it.",
    ),
}
_id = click.argument("endpoint_id", type=click.UUID, metavar="ID")


def _secret_file(help_text: str) -> Callable[[Function], Function]:
    return click.option("--secret-file", type=click.File(encoding="utf-8"), help=help_text)


@click.group(cls=LazyGroup, lazy=_LAZY)
def endpoint() -> None:
    """Manage where events go. Changes take effect within a second."""


@endpoint.command()
@with_access
@click.argument("url")
@click.option("--tenant", help="Whose events it gets; the default is the tenant without a name.")
@field_options
@_secret_file("A file (- for stdin) with the secret, instead of a new one; or $RELAY_ENDPOINT_SECRET.")
@output_option()
def add(access: Access, secret_file: TextIO | None, output: OutputFormat, **_fields: Any) -> None:
    """Add an endpoint and print it with its secret, which is shown this once."""
    secret = _read_secret(secret_file) if secret_file else os.environ.get("RELAY_ENDPOINT_SECRET")
    wanted = NewEndpoint(**given_fields())

    async def work(session: Session) -> endpoints.AddedEndpoint:
        rules = url_rules(access.settings)
        await check_sealing(session, access.box)
        return await endpoints.add(
            session, wanted, rules=rules, box=access.box, actor=access.actor, secret=secret
        )

    added = access.run(work)
    shown = added.secret if secret is None else None
    show_one({**plain(added.endpoint), "secret": shown}, output)
    if shown:
        say("Give the secret to the receiver now: it is not shown again.")


@endpoint.command("list")
@with_access
@click.option("--tenant", help="Only of this tenant.")
@click.option("--state", type=click.Choice(["active", "paused", "disabled"]), help="Only in this state.")
@output_option()
def list_command(access: Access, tenant: str | None, state: str | None, output: OutputFormat) -> None:
    """List the endpoints, the oldest first."""
    found = access.run(lambda session: endpoints.list_all(session, tenant=tenant, state=state))
    show_rows(found, _COLUMNS, output)


@endpoint.command()
@with_access
@_id
@output_option()
def show(access: Access, endpoint_id: UUID, output: OutputFormat) -> None:
    """Show one endpoint."""
    show_one(access.run(lambda session: endpoints.show(session, endpoint_id)), output)


@endpoint.command()
@with_access
@_id
@click.option("--url", help="Where it is.")
@field_options
@click.option("--no-headers", is_flag=True, help="Send none of its own headers any more.")
@output_option()
def edit(
    access: Access, endpoint_id: UUID, output: OutputFormat, *, no_headers: bool, **_fields: Any
) -> None:
    """Change what the options say, and nothing else; --event-types and --header replace all there were."""
    given = given_fields()
    if no_headers and "headers" in given:
        raise click.UsageError("--header and --no-headers contradict each other; give one of them")
    if no_headers:
        given["headers"] = {}
    changes = EndpointChanges(**given)

    async def work(session: Session) -> EndpointDetails:
        rules = url_rules(access.settings)
        return await endpoints.edit(session, endpoint_id, changes, rules=rules, actor=access.actor)

    show_one(access.run(work), output)


@endpoint.command("rotate-secret")
@with_access
@_id
@click.option(
    "--overlap",
    type=params.span,
    metavar="DURATION",
    help="How long the old secret signs as well; default: security.secret_overlap.",
)
@click.option("--at-once", is_flag=True, help="The old secret ends now, as it must if it leaked.")
@_secret_file("A file (- for stdin) with the secret, instead of a new one.")
@yes_option
@output_option()
def rotate_secret(
    access: Access,
    endpoint_id: UUID,
    overlap: timedelta | None,
    secret_file: TextIO | None,
    output: OutputFormat,
    *,
    at_once: bool,
    yes: bool,
) -> None:
    """Give an endpoint another secret, which is shown this once; the old one signs as well for a while."""
    if at_once and overlap is not None:
        raise click.UsageError("--at-once and --overlap contradict each other; give one of them")
    span = timedelta() if at_once else access.settings.security.secret_overlap if overlap is None else overlap
    if not span:
        confirm("End the old secret now? Until the receiver has the new one it can verify nothing.", yes=yes)
    secret = _read_secret(secret_file) if secret_file else None

    async def work(session: Session) -> endpoints.RotatedSecret:
        await check_sealing(session, access.box)
        return await endpoints.rotate_secret(
            session, endpoint_id, box=access.box, actor=access.actor, overlap=span, secret=secret
        )

    rotated = access.run(work)
    shown = rotated.secret if secret is None else None
    show_one({**plain(rotated.endpoint), "secret": shown}, output)
    if shown:
        say("Give the secret to the receiver now: it is not shown again.")
    if rotated.signing > 1:
        say(f"Until it ends in {format_duration(span)}, the old secret signs as well.")


@endpoint.command()
@with_access
@_id
@output_option()
def pause(access: Access, endpoint_id: UUID, output: OutputFormat) -> None:
    """Hold an endpoint's deliveries until it is resumed."""
    done = access.run(lambda session: endpoints.pause(session, endpoint_id, actor=access.actor))
    if not done.is_changed:
        say(f"Nothing was changed: it is {done.endpoint.state}, so nothing is sent to it.")
    show_one(done.endpoint, output)


@endpoint.command()
@with_access
@_id
@click.option("--discard-waiting", is_flag=True, help="Give up what waited, instead of catching up.")
@yes_option
@output_option()
def resume(
    access: Access, endpoint_id: UUID, output: OutputFormat, *, discard_waiting: bool, yes: bool
) -> None:
    """Send to a paused or disabled endpoint again, with a new retry window for what waited.

    One that is left alone because it failed is tried again at once.
    """
    if discard_waiting:
        confirm(f"Give up everything that waits for endpoint {endpoint_id}?", yes=yes)
        given_up = access.run(lambda session: catch_up.discard_held(session, endpoint_id, actor=access.actor))
        say(f"{given_up} deliveries were given up.")
    done = access.run(lambda session: endpoints.resume(session, endpoint_id, actor=access.actor))
    if not done.is_changed:
        say(f"Nothing was changed: it is {done.endpoint.state}.")
    show_one(done.endpoint, output)


@endpoint.command()
@with_access
@_id
@yes_option
@output_option()
def remove(access: Access, endpoint_id: UUID, output: OutputFormat, *, yes: bool) -> None:
    """Remove an endpoint with its secrets; its waiting deliveries end as dead, and the log stays."""
    found = access.run(lambda session: endpoints.show(session, endpoint_id))
    confirm(f"Remove endpoint {found.id} ({found.url}) and give up what waits for it?", yes=yes)
    removed = access.run(lambda session: endpoints.remove(session, endpoint_id, actor=access.actor))
    say(f"{removed.ended} waiting deliveries were given up.")
    show_one(removed.endpoint, output)


def _read_secret(file: TextIO) -> str:
    return file.read(1000).strip()
