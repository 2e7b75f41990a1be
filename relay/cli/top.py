"""`relay top`: what goes on, looked at again and again."""

import asyncio
import time
from collections import Counter
from datetime import timedelta

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from relay.admin.operations.top import BusyEndpoint, Top, look
from relay.cli import params
from relay.cli.common import Access, OutputFormat, output_option, with_access
from relay.cli.output import plain, show_fields
from relay.cli.tables import shown
from relay.store.session import DatabaseAway, Session

EVERY = timedelta(seconds=2)
WHILE = 10.0
"""Seconds that the rates are of: shorter, and they jump; longer, and they lag."""
STATES = ("pending", "in_flight", "retrying", "held", "dead")
CHROME = 9
"""Lines that are not endpoints."""


@click.command()
@with_access
@click.option(
    "--every", type=params.duration, default=EVERY, metavar="DURATION", help="Between two looks; default 2s."
)
@output_option()
def top(access: Access, every: timedelta, output: OutputFormat) -> None:
    """Watch what goes on: rates, what waits, and the endpoints that fail most, then the busiest.

    Ctrl-C ends it. Into a pipe or with -o json it looks once.
    """
    if output == "table" and Console().is_terminal:
        access.run(lambda session: _watch(session, max(every.total_seconds(), 0.2)))
    else:
        show_fields(plain(access.run(lambda session: look(session, seconds=WHILE))), output)


async def _watch(session: Session, every: float) -> None:
    """Look and draw until Ctrl-C; a database that is away is waited for."""
    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            began = time.monotonic()
            try:
                found = await look(session, seconds=WHILE)
                live.update(draw(found, height=console.size.height), refresh=True)
            except DatabaseAway as error:
                live.update(Text(f"The database is away, trying again: {error}", style="red"), refresh=True)
            await asyncio.sleep(max(0.1, every - (time.monotonic() - began)))


def draw(found: Top, *, height: int) -> RenderableType:
    """Return the picture for a terminal of that many lines."""
    room = max(1, height - CHROME)
    return Group(
        _title(found), Text(), _numbers(found), Text(), _endpoints(found.endpoints[:room], found.seconds)
    )


def _title(found: Top) -> Text:
    state = ("a relay is at work", "green") if found.is_relay_running else ("no relay is running", "bold red")
    title = Text.assemble(("Relay  ", "bold"), state, f"  {found.at:%H:%M:%S} UTC")
    for pause in found.pauses:
        what = "all sending" if pause.tenant is None else f"sending of tenant {shown(pause.tenant)}"
        title.append(f"  {what} is paused by {shown(pause.paused_by)}", style="yellow")
    return title


def _numbers(found: Top) -> Table:
    attempts = sum(each.attempts for each in found.endpoints)
    delivered = sum(each.delivered for each in found.endpoints)
    waiting = Counter({each.state: each.deliveries for each in found.waiting})
    ages = {each.state: each.oldest_age_s for each in found.waiting}
    table = Table.grid(expand=True)
    columns = [
        ("delivered", f"{delivered / found.seconds:,.0f}/s", f"of {attempts / found.seconds:,.0f} attempts"),
        *((state, f"{waiting[state]:,}", _age(ages.get(state))) for state in STATES),
    ]
    for _ in columns:
        table.add_column(ratio=1)
    for line, style in zip(zip(*columns, strict=True), ("dim", "bold", "dim"), strict=True):
        table.add_row(*(Text(each, style=style) for each in line))
    return table


def _age(seconds: float | None) -> str:
    return "" if seconds is None else f"oldest {timedelta(seconds=int(seconds))}"


def _endpoints(endpoints: tuple[BusyEndpoint, ...], seconds: float) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("endpoint", ratio=1, no_wrap=True, overflow="ellipsis")
    for heading in ("state", "attempts/s", "failed", "with", "p50", "p99"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in endpoints:
        failed = each.attempts - each.delivered
        table.add_row(
            shown(each.description or each.url or each.endpoint_id),
            Text(_state(each), style="" if _state(each) == "active" else "yellow"),
            f"{each.attempts / seconds:,.1f}",
            Text(f"{failed:,}", style="red" if failed else "dim"),
            each.failed_with or "",
            f"{each.p50_ms:,} ms",
            f"{each.p99_ms:,} ms",
        )
    return table


def _state(endpoint: BusyEndpoint) -> str:
    if endpoint.state is None:
        return "removed"
    return endpoint.state if endpoint.breaker == "closed" else f"breaker {endpoint.breaker}"
