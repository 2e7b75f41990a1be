"""`relay doctor`: whether the database is as Relay needs it; `--requeue` mends what bypassed the trigger."""

from datetime import datetime

import click

from relay.cli import params
from relay.cli.common import Access, OutputFormat, confirm, output_option, say, with_access, yes_option
from relay.cli.output import Column, show_rows
from relay.lookback import doctor as examination

LIMIT = 600.0
_COLUMNS = (
    Column(heading="check", value=lambda row: row.check),
    Column(heading="", value=lambda row: row.severity),
    Column(heading="what", value=lambda row: row.message),
)


@click.command()
@with_access
@click.option("--requeue", is_flag=True, help="Let events be sent that bypassed the trigger.")
@click.option(
    "--since",
    type=params.moment_ago,
    metavar="TIME",
    help="With --requeue: only events inserted then or later.",
)
@yes_option
@output_option()
def doctor(access: Access, *, requeue: bool, since: datetime | None, yes: bool, output: OutputFormat) -> None:
    """Look whether the database is as Relay needs it; exit 0 if there is no problem, 1 if there is one."""
    if requeue:
        found = access.run(lambda session: examination.bypassed(session, since), timeout=LIMIT)
        say(f"{found} {'event' if found == 1 else 'events'} bypassed the trigger.")
        if found:
            confirm(f"Let {found} events be sent?", yes=yes)
        number = access.run(
            lambda session: examination.requeue(session, actor=access.actor, since=since), timeout=LIMIT
        )
        say(f"{number} {'is' if number == 1 else 'are'} to be fanned out now.")
    findings = access.run(examination.examine, timeout=LIMIT)
    show_rows(findings, _COLUMNS, output)
    if any(each.severity == "problem" for each in findings):
        raise click.exceptions.Exit(1)
