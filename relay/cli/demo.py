"""`relay demo`: what Relay does, live, and the proof that it did it."""

import asyncio
from pathlib import Path

import click

DEFAULT_RATE = 20.0


@click.command()
@click.option(
    "--events",
    type=click.IntRange(min=1),
    metavar="N",
    help="End by itself once N committed events have reached every subscribed endpoint.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="R",
    help="Events a second; default 20, with --events as fast as it goes.",
)
@click.option(
    "--bindir",
    type=click.Path(path_type=Path),
    envvar="RELAY_EMBEDDED__BINDIR",
    help="The folder of PostgreSQL's programs, instead of the wheel's or Debian's.",
)
@click.pass_context
def demo(context: click.Context, *, events: int | None, rate: float | None, bindir: Path | None) -> None:
    """Show Relay at work, with a PostgreSQL of its own that goes away at the end, and prove that all arrived.

    An application commits invoices and events and rolls some back, the relay delivers, and a receiver verifies every
    request, some of which it refuses at first. It runs until Ctrl-C. The proof compares what was committed with what
    arrived: exit code 0 if nothing was lost, unexpected or altered, else 1.
    """
    import uvloop  # noqa: PLC0415 - none of this is needed for --help

    from relay.demo.harm import UnknownHarm  # noqa: PLC0415 - as above
    from relay.demo.report import lines_of  # noqa: PLC0415 - as above
    from relay.demo.show import Plan  # noqa: PLC0415 - as above
    from relay.demo.stage import demonstrate  # noqa: PLC0415 - as above

    pace = DEFAULT_RATE if rate is None and events is None else rate
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(demonstrate(Plan(events=events, rate=pace, bindir=bindir)))
    except UnknownHarm as error:
        raise click.UsageError(str(error)) from None
    for line in lines_of(report):
        click.echo(line)
    context.exit(0 if report.is_whole else 1)
