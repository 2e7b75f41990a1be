"""Tables and lists of fields for people: ids whole, strangers' text harmless."""

import re
from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from relay.admin.unshowable import UNSHOWABLE
from relay.cli.output import Column, plain, to_json

_ENDLESS = 10_000
_HARMFUL = re.compile(rf"[\x00-\x09\x0b-\x1f{UNSHOWABLE}]")


def print_table(rows: Sequence[object], columns: Sequence[Column]) -> None:
    """Print rows as a table; a note on standard error if there are none."""
    if not rows:
        Console(stderr=True).print("Nothing found.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.heading, no_wrap=column.is_id, overflow="fold")
    for row in rows:
        table.add_row(*(shown(column.value(row)) for column in columns))
    _print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print the fields of one value, a line each."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name, shown(value))
    _print(table)


def shown(value: object) -> Text:
    """Return a value as it stands in a table; "-" for what is not there.

    What strangers wrote is text and nothing else: no markup, and what could act on the terminal is escaped.
    """
    value = plain(value)
    match value:
        case None | "":
            return Text("-", style="dim")
        case bool():
            return Text("yes" if value else "no")
        case str():
            return Text(harmless(value))
        case list() if all(isinstance(each, str) for each in value):
            return Text(harmless(", ".join(value)))
        case _:
            return Text(to_json(value))


def harmless(text: str) -> str:
    """Return text with every character escaped that a terminal might obey; line ends stay."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _print(table: Table) -> None:
    """Print for the terminal's width, wider where an id would be cut, and as wide as it likes into a pipe."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_ENDLESS)
    needed = Measurement.get(console, console.options.update(width=_ENDLESS), table).minimum
    if needed > console.width:
        console = Console(width=needed)
    with console.capture() as capture:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
