"""The options for the fields of an endpoint, and what a command line gave of them."""

from typing import Any

import click
from click.core import ParameterSource

from relay.cli import params
from relay.cli.common import Function

_OPTIONS = (
    click.option("--description", help="For people."),
    click.option(
        "--event-types",
        multiple=True,
        metavar="PATTERNS",
        help="What it gets: types such as invoice.paid, prefixes such as invoice.*, or *; "
        "separated by commas, or repeated.",
    ),
    click.option(
        "--filter",
        type=params.json_object_or_none,
        metavar="JSON",
        help='Only events whose payload contains this, such as \'{"currency": "EUR"}\'; or none.',
    ),
    click.option(
        "--header",
        "headers",
        multiple=True,
        type=params.header,
        metavar="'NAME: VALUE'",
        help="Sent with each request; may be repeated.",
    ),
    click.option("--signature", type=click.Choice(["both", "x-webhook", "standard"]), help="Which formats."),
    click.option(
        "--timeout", type=params.duration, metavar="DURATION", help="For one attempt, at most 5m; or default."
    ),
    click.option(
        "--ordered/--not-ordered",
        default=None,
        help="Whether it gets the events of one ordering key one at a time, in their order.",
    ),
    click.option(
        "--rate-limit",
        type=params.rate,
        metavar="NUMBER",
        help="Requests a second at most; what is over it waits. Or none.",
    ),
    click.option(
        "--max-in-flight", type=params.number, metavar="NUMBER", help="Requests at once; or default."
    ),
    click.option(
        "--retry-schedule",
        type=params.durations,
        metavar="DURATIONS",
        help="Delays such as 5s,1m,1h; or default.",
    ),
    click.option(
        "--store-response-body/--no-store-response-body",
        default=None,
        help="Whether the log keeps what it answers.",
    ),
    click.option("--metadata", type=params.json_object, metavar="JSON", help="An object of your own."),
)
_FIELDS = (
    "url",
    "description",
    "tenant",
    "event_types",
    "filter",
    "headers",
    "signature",
    "timeout",
    "ordered",
    "rate_limit",
    "max_in_flight",
    "retry_schedule",
    "store_response_body",
    "metadata",
)


def field_options(command: Function) -> Function:
    """Give a command an option for each field that may be changed; `given_fields` says which were given."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given_fields() -> dict[str, Any]:
    """Return the fields that the command line of the running command gave, by name.

    Raises:
        click.BadParameter: A header is given twice.
    """
    context = click.get_current_context()
    given = {
        name: value
        for name, value in context.params.items()
        if name in _FIELDS and context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    if "event_types" in given:
        patterns = ",".join(given["event_types"]).split(",")
        given["event_types"] = tuple(each.strip() for each in patterns if each.strip())
    if "headers" in given:
        given["headers"] = params.headers_of(given["headers"])
    return given
