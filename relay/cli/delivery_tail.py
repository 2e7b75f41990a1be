"""`relay delivery tail`: the log of attempts as it is written."""

import asyncio
import time
from typing import Any

import click

from relay.admin.operations.deliveries import DeliveryName
from relay.admin.operations.delivery_tail import Tail, TailedAttempt, TailFilter, watch
from relay.cli.common import Access, OutputFormat, output_option, with_access
from relay.cli.output import plain, to_json
from relay.store.session import Session

_OUTCOMES = ("delivered", "retrying", "dead", "held", "cancelled", "released")
_INTERVAL = 0.5
# A look may take at most a sixth of the database's time.
_REST = 5


@click.command()
@with_access
@click.option("-f/ ", "--follow/--no-follow", default=True, help="Go on until Ctrl-C; that is the default.")
@click.option(
    "-n",
    "--number",
    type=click.IntRange(0, 5000),
    default=10,
    show_default=True,
    help="First the last so many.",
)
@click.option("--endpoint", "endpoint_id", type=click.UUID, metavar="ID", help="Only at this endpoint.")
@click.option("--type", "event_type", metavar="TYPE", help="Only of this event type, or a prefix: invoice.*")
@click.option("--tenant", help="Only of this tenant.")
@click.option("--outcome", type=click.Choice(_OUTCOMES), help="Only these.")
@click.option("--status-code", type=click.IntRange(100, 999), help="Only those answered with it.")
@output_option(piped="jsonl")
def tail(access: Access, number: int, output: OutputFormat, *, follow: bool, **filters: Any) -> None:
    """Print attempts as they are recorded, the last few first; json is an object a line, as jsonl."""
    wanted = TailFilter(**filters)

    def show(attempt: TailedAttempt) -> None:
        click.echo(_line(attempt) if output == "table" else to_json(plain(attempt)))

    async def work(session: Session) -> None:
        reader = Tail(session, wanted)
        for attempt in await reader.last(number):
            show(attempt)
        while follow:
            began = time.monotonic()
            await watch(reader, show)
            took = time.monotonic() - began
            await asyncio.sleep(max(_INTERVAL, _REST * took))

    access.run(work)


def _line(attempt: TailedAttempt) -> str:
    answer = str(attempt.status_code or attempt.error_code or "-")
    return (
        f"{attempt.attempted_at.astimezone():%H:%M:%S} {attempt.outcome:<9} {answer:<7} "
        f"{attempt.duration_ms:>6} ms  #{attempt.attempt} {attempt.event_type} "
        f"{DeliveryName(event_id=attempt.event_id, endpoint_id=attempt.endpoint_id)}"
    )
