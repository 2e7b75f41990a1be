"""`relay pause` and `relay resume`: all sending, or one tenant's."""

import click

from relay.admin.operations import sending
from relay.cli.common import Access, OutputFormat, output_option, say, with_access
from relay.cli.output import Column, show_rows

_COLUMNS = (
    Column(
        heading="paused", value=lambda row: "everything" if row.tenant is None else f"tenant {row.tenant!r}"
    ),
    Column(heading="since", value=lambda row: row.paused_at),
    Column(heading="by", value=lambda row: row.paused_by),
)
_tenant = click.option("--tenant", metavar="NAME", help="Only this tenant's endpoints.")


@click.command()
@with_access
@_tenant
@output_option()
def pause(access: Access, tenant: str | None, output: OutputFormat) -> None:
    """Stop sending everything, or what is for one tenant, until `relay resume`; restarts do not change it.

    Applications publish as before, and what they publish waits. Prints what is paused then.
    """
    changed = access.run(lambda session: sending.pause(session, tenant, actor=access.actor))
    say(f"{_subject(tenant)} is paused." if changed else f"{_subject(tenant)} was paused already.")
    show_rows(access.run(sending.list_pauses), _COLUMNS, output)


@click.command()
@with_access
@_tenant
@output_option()
def resume(access: Access, tenant: str | None, output: OutputFormat) -> None:
    """Go on sending after `relay pause`, with the same --tenant; what waited gets a new retry window.

    Prints what is still paused then.
    """
    changed = access.run(lambda session: sending.resume(session, tenant, actor=access.actor))
    say(f"{_subject(tenant)} goes on." if changed else f"{_subject(tenant)} was not paused by that name.")
    show_rows(access.run(sending.list_pauses), _COLUMNS, output)


def _subject(tenant: str | None) -> str:
    return "sending" if tenant is None else f"sending for tenant {tenant!r}"
