"""`relay migrate`: bring the database to this version's schema, or say what that would take."""

import sys

import click

from relay.cli.common import Access, OutputFormat, output_option, run_async, say, with_access
from relay.cli.errors import FAILED, NEEDS_ACTION
from relay.cli.output import Column, show_one, show_rows
from relay.shipped_files import shipped
from relay.store import migrate as runner

_COLUMNS = (
    Column(heading="version", value=lambda found: found.version, is_id=True),
    Column(heading="name", value=lambda found: found.name),
    Column(heading="state", value=lambda found: found.state),
    Column(heading="breaking", value=lambda found: found.breaking),
    Column(heading="applied at", value=lambda found: found.applied_at),
)


@click.group()
def migrate() -> None:
    """Create and update Relay's schema in the database."""


@migrate.command()
@with_access
def up(access: Access) -> None:
    """Apply every pending migration, each in one transaction; several at once take turns."""
    applied = run_async(runner.up(access.dsn, say=say))
    for each in applied:
        say(f"applied {each}")
    if not applied:
        say("nothing to do: the schema is up to date")


@migrate.command()
@with_access
@output_option()
def status(access: Access, output: OutputFormat) -> None:
    """List the migrations; exit 3 if some are pending, 1 if database and program do not fit."""
    found = run_async(runner.status(access.dsn))
    show_rows(found, _COLUMNS, output)
    _conclude(runner.judge(found))


@migrate.command()
@with_access
@output_option()
def check(access: Access, output: OutputFormat) -> None:
    """Say whether this program may work on the database: exit 0 yes, 3 migrations are pending, 1 no."""
    verdict = run_async(runner.check(access.dsn))
    show_one(verdict, output)
    _conclude(verdict)


@migrate.command()
@click.option(
    "--after",
    type=click.IntRange(min=0),
    default=0,
    metavar="VERSION",
    help="The migration that the database is at; default: it has none.",
)
def sql(after: int) -> None:
    """Print the SQL that `up` runs, for psql and for review; needs no database."""
    click.echo(runner.sql_text(after=after), nl=False)


@migrate.command()
def roles() -> None:
    """Print the SQL that makes the four roles and says what each may do; for psql, after `up`."""
    click.echo((shipped("sql") / "roles.sql").read_text(encoding="utf-8"), nl=False)


def _conclude(verdict: runner.Verdict) -> None:
    match verdict.kind:
        case "ok":
            return
        case "pending":
            say(verdict.message)
            sys.exit(NEEDS_ACTION)
        case "newer" | "diverged":
            say(verdict.message)
            sys.exit(FAILED)
