"""The options that select deliveries."""

from typing import Any

import click

from relay.admin.operations.deliveries import Filter
from relay.cli import params
from relay.cli.common import Function

_OPTIONS = (
    click.option("--endpoint", "endpoint_id", type=click.UUID, metavar="ID", help="Only of this endpoint."),
    click.option(
        "--type", "event_type", metavar="TYPE", help="Only of this event type, or a prefix: invoice.*"
    ),
    click.option("--tenant", help="Only of this tenant."),
    click.option(
        "--since",
        type=params.moment_ago,
        metavar="TIME",
        help="Only of events inserted then or later: a time, or how long ago (2h).",
    ),
    click.option(
        "--until", type=params.moment_ago, metavar="TIME", help="Only of events inserted before: likewise."
    ),
    click.option("--reason", help="Only dead or held for this reason: exhausted, gone, ..."),
    click.option(
        "--status-code",
        type=click.IntRange(100, 999),
        help="Only those whose last attempt was answered with it.",
    ),
)


def filter_options(command: Function) -> Function:
    """Give a command the options that select deliveries; `filter_of` makes a Filter of their values."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def filter_of(state: str | None, values: dict[str, Any]) -> Filter:
    """Return the filter that the options' values ask for."""
    return Filter(state=state, **values)
