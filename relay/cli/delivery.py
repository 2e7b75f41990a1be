"""`relay delivery`: find deliveries and look at one; the commands that change them have files of their own."""

import json
from typing import Any

import click

from relay.admin.operations import deliveries
from relay.admin.operations.deliveries import Attempt, DeliveryName, DeliveryReport
from relay.cli import params
from relay.cli.common import Access, OutputFormat, output_option, with_access
from relay.cli.delivery_change import discard, retry
from relay.cli.delivery_fields import delivery_fields, name_of
from relay.cli.delivery_filter import filter_of, filter_options
from relay.cli.delivery_tail import tail
from relay.cli.output import Column, plain, show_fields, show_rows

_COLUMNS = (
    Column(heading="delivery", value=lambda row: row["delivery"] or row["event_id"], is_id=True),
    Column(heading="type", value=lambda row: row["event_type"]),
    Column(heading="state", value=lambda row: row["state"]),
    Column(heading="reason", value=lambda row: row["reason"]),
    Column(heading="attempts", value=lambda row: row["attempts"]),
    Column(heading="status", value=lambda row: row["last_status_code"]),
    Column(heading="created", value=lambda row: row["created_at"][:19].replace("T", " ")),
)


@click.group()
def delivery() -> None:
    """Find, retry, discard and follow deliveries. A delivery is named EVENT_ID/ENDPOINT_ID."""


delivery.add_command(retry)
delivery.add_command(discard)
delivery.add_command(tail)


@delivery.command("list")
@with_access
@click.option("--state", type=click.Choice(deliveries.STATES), help="Only in this state.")
@filter_options
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many."
)
@output_option()
def list_command(access: Access, state: str | None, limit: int, output: OutputFormat, **filters: Any) -> None:
    """List deliveries, those of the newest events first."""
    wanted = filter_of(state, filters)
    found = access.run(lambda session: deliveries.list_matching(session, wanted, limit=limit))
    rows = [{"delivery": str(name) if (name := name_of(each)) else None, **plain(each)} for each in found]
    show_rows(rows, _COLUMNS, output)


@delivery.command()
@with_access
@click.argument("name", type=params.delivery_name, metavar="EVENT_ID/ENDPOINT_ID")
@output_option()
def show(access: Access, name: DeliveryName, output: OutputFormat) -> None:
    """Show a delivery with every attempt: what was sent, and what came back."""
    report = access.run(lambda session: deliveries.show(session, name))
    fields = _fields(report)
    if output != "table":
        show_fields(fields, output)
        return
    attempts = fields.pop("log")
    show_fields(fields, output)
    for number, attempt in enumerate(attempts):
        click.echo(f"\nAttempt {attempt['attempt']}")
        if number:
            attempt["request_body"] = "(the same as above)"
        show_fields({name: attempt[name] for name in _SHOWN if name in attempt}, output)


_SHOWN = (
    "attempted_at",
    "outcome",
    "trigger_type",
    "stale",
    "url",
    "status_code",
    "error_code",
    "error",
    "duration_ms",
    "next_attempt_at",
    "request_headers",
    "request_body",
    "response_headers",
    "response_body",
)


def _fields(report: DeliveryReport) -> dict[str, Any]:
    fields = delivery_fields(report.status, now=report.asked_at, is_relay_running=report.is_relay_running)
    return {**fields, "log": [_attempt_fields(each) for each in report.attempts]}


def _attempt_fields(attempt: Attempt) -> dict[str, Any]:
    fields: dict[str, Any] = plain(attempt)
    for name in ("request_headers", "response_headers"):
        fields[name] = json.loads(fields[name]) if fields[name] else None
    return fields
