"""`relay endpoint test`: sends one event to one endpoint, and says what came of it."""

from datetime import timedelta
from uuid import UUID

import click

from relay.admin.operations import endpoint_tests
from relay.admin.operations.events import EventReport
from relay.cli import params
from relay.cli.common import Access, OutputFormat, output_option, say, with_access
from relay.cli.delivery_fields import delivery_fields
from relay.cli.output import show_fields
from relay.store.session import Session


@click.command()
@with_access
@click.argument("endpoint_id", type=click.UUID, metavar="ID")
@click.option(
    "--event-type",
    default=endpoint_tests.TEST_TYPE,
    show_default=True,
    metavar="TYPE",
    help="What it pretends to be.",
)
@click.option(
    "--payload", default=endpoint_tests.TEST_PAYLOAD, show_default=True, metavar="JSON", help="What is sent."
)
@click.option(
    "--wait",
    type=params.span,
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="How long to wait for the answer.",
)
@output_option()
def test(
    access: Access, endpoint_id: UUID, output: OutputFormat, *, event_type: str, payload: str, wait: timedelta
) -> None:
    """Send a test event to an endpoint, whatever it subscribes to, and show what came of it.

    It is sent once and not retried, and the log marks it as a test. Exit code 1 if it was not delivered.
    """

    async def work(session: Session) -> EventReport:
        event_id = await endpoint_tests.send(
            session, endpoint_id, actor=access.actor, event_type=event_type, payload=payload
        )
        return await endpoint_tests.outcome(session, event_id, limit=wait.total_seconds())

    report = access.run(work)
    (status,) = report.deliveries
    show_fields(
        delivery_fields(status, now=report.asked_at, is_relay_running=report.is_relay_running), output
    )
    if status.state != "delivered":
        say("The test was not delivered." if status.state == "dead" else "There is no answer yet.")
        raise click.exceptions.Exit(1)
