"""`relay operation`: changes of many deliveries that the relay works off; look at them, pause them, end them."""

from typing import Any

import click

from relay.admin.operations import bulk
from relay.cli.bulk import follow
from relay.cli.common import Access, OutputFormat, output_option, say, with_access
from relay.cli.output import Column, plain, show_fields, show_rows
from relay.lookback import operations
from relay.lookback.operations import Action

_number = click.argument("number", type=click.IntRange(min=1), metavar="NUMBER")
_COLUMNS = (
    Column(heading="operation", value=lambda row: row["id"]),
    Column(heading="kind", value=lambda row: row["kind"]),
    Column(heading="state", value=lambda row: row["state"]),
    Column(heading="done", value=lambda row: f"{row['taken']} of {row['total']}"),
    Column(heading="rate", value=lambda row: row["rate"]),
    Column(heading="by", value=lambda row: row["actor"]),
    Column(heading="created", value=lambda row: row["created_at"][:19].replace("T", " ")),
)


@click.group()
def operation() -> None:
    """Look at replays and other changes of many deliveries; pause, resume and cancel them."""


@operation.command("list")
@with_access
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many."
)
@output_option()
def list_command(access: Access, limit: int, output: OutputFormat) -> None:
    """List operations, the newest first."""
    found = access.run(lambda session: operations.newest(session, limit=limit))
    show_rows([plain(each) for each in found], _COLUMNS, output)


@operation.command()
@with_access
@_number
@output_option()
def show(access: Access, number: int, output: OutputFormat) -> None:
    """Show an operation: what selected its deliveries, and what became of them so far."""
    _show(access, number, output)


@operation.command()
@with_access
@_number
@output_option()
def watch(access: Access, number: int, output: OutputFormat) -> None:
    """Follow an operation to its end."""
    follow(access, number, output)


@operation.command()
@with_access
@_number
@output_option()
def pause(access: Access, number: int, output: OutputFormat) -> None:
    """Let an operation rest, until `relay operation resume`."""
    _change(access, number, "pause", output)


@operation.command()
@with_access
@_number
@output_option()
def resume(access: Access, number: int, output: OutputFormat) -> None:
    """Go on with an operation that was paused."""
    _change(access, number, "resume", output)


@operation.command()
@with_access
@_number
@output_option()
def cancel(access: Access, number: int, output: OutputFormat) -> None:
    """End an operation; what it has done stays, and what it has not is left as it is."""
    _change(access, number, "cancel", output)


_WORDS = {"pause": "paused", "resume": "goes on", "cancel": "cancelled"}


def _change(access: Access, number: int, action: Action, output: OutputFormat) -> None:
    changed = access.run(lambda session: bulk.change(session, number, action, actor=access.actor))
    word = _WORDS[action]
    sentence = word if word == "goes on" else f"is {word}"
    say(f"Operation {number} {sentence}{'' if changed else ' already'}.")
    _show(access, number, output)


def _show(access: Access, number: int, output: OutputFormat) -> None:
    found = access.run(lambda session: bulk.show(session, number))
    fields: dict[str, Any] = plain(found)
    show_fields(fields, output)
