"""`relay bench`: how fast the relay is on this machine."""

import asyncio
from pathlib import Path

import click

from relay.cli.common import OutputFormat, output_option, say


@click.command()
@click.option(
    "--events",
    type=click.IntRange(min=1),
    metavar="N",
    default=20_000,
    show_default=True,
    help="How many events wait when the relay starts.",
)
@click.option(
    "--fan-out",
    type=click.IntRange(min=1),
    metavar="F",
    default=1,
    show_default=True,
    help="To how many endpoints each goes.",
)
@click.option(
    "--in-flight",
    type=click.IntRange(min=1),
    metavar="M",
    default=1000,
    show_default=True,
    help="Open requests at once.",
)
@click.option(
    "--payload",
    type=click.IntRange(min=64, max=256 * 1024),
    metavar="BYTES",
    default=1024,
    show_default=True,
    help="The size of an event's payload.",
)
@click.option(
    "--bindir",
    type=click.Path(path_type=Path),
    envvar="RELAY_EMBEDDED__BINDIR",
    help="The folder of PostgreSQL's programs, instead of the wheel's or Debian's.",
)
@output_option()
@click.pass_context
def bench(
    context: click.Context,
    *,
    events: int,
    fan_out: int,
    in_flight: int,
    payload: int,
    bindir: Path | None,
    output: OutputFormat,
) -> None:
    """Measure the relay on this machine, with a PostgreSQL and a receiver of its own that go away at the end.

    First the relay works off a backlog, from its first claim until every attempt is in the delivery log; then single
    events are committed at random moments. Exit code 1 if a delivery was lost, came twice, or was signed wrongly.
    """
    import uvloop  # noqa: PLC0415 - none of this is needed for --help

    from relay.bench.load import shape_for  # noqa: PLC0415 - as above
    from relay.bench.report import bench as measure  # noqa: PLC0415 - as above
    from relay.bench.scene import RunFailed  # noqa: PLC0415 - as above
    from relay.bench.sink import SinkError  # noqa: PLC0415 - as above
    from relay.cli.output import show_one  # noqa: PLC0415 - as above

    say(f"Delivering {events} events to {fan_out} endpoint(s) each, {in_flight} in flight ...")
    shape = shape_for(fan_out=fan_out, in_flight=in_flight, payload=payload)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(measure(events=events, shape=shape, in_flight=in_flight, bindir=bindir))
    except (RunFailed, SinkError) as error:
        raise click.ClickException(str(error)) from error
    show_one(report, output)
    context.exit(0 if report.is_sound else 1)
