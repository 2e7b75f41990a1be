"""`relay stats`: what waits, how it goes, and how much room it takes."""

import click

from relay.admin.operations import stats as numbers
from relay.cli.common import Access, OutputFormat, output_option, with_access
from relay.cli.output import Column, plain, show_fields, show_rows

LIMIT = 120.0
_STATES = (
    Column(heading="state", value=lambda row: row["state"]),
    Column(heading="deliveries", value=lambda row: f"{row['deliveries']:,}"),
    Column(heading="oldest", value=lambda row: row["oldest"]),
)
_TABLES = (
    Column(heading="table", value=lambda row: row["table"]),
    Column(heading="size", value=lambda row: row["size"]),
    Column(heading="rows, about", value=lambda row: f"{row['rows']:,}"),
)


@click.command()
@with_access
@output_option()
def stats(access: Access, output: OutputFormat) -> None:
    """Show what waits, what came of the last five minutes, and how much room everything takes."""
    found = access.run(numbers.gather, timeout=LIMIT)
    fields = plain(found)
    if output != "table":
        show_fields(fields, output)
        return
    backlog, ages, sizes, rows = (fields.pop(name) for name in ("backlog", "oldest_age_s", "sizes", "rows"))
    show_fields(fields, output)
    click.echo()
    waiting = [
        {"state": state, "deliveries": count, "oldest": _age(ages[state])} for state, count in backlog.items()
    ]
    show_rows(waiting, _STATES, output)
    click.echo()
    tables = [{"table": name, "size": _size(size), "rows": rows[name]} for name, size in sizes.items()]
    show_rows(tables, _TABLES, output)


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004 - as the units say
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
