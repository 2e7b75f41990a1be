"""`relay delivery retry` and `discard`: named deliveries at once, or all that match as an operation."""

from typing import Any

import click

from relay.admin.operations import bulk, delivery_changes
from relay.admin.operations.deliveries import DeliveryName, Filter
from relay.admin.operations.delivery_changes import Change, ChangeResult
from relay.cli import params
from relay.cli.bulk import carry_out, decide, detach_option, dry_run_option, rate_option
from relay.cli.common import Access, OutputFormat, output_option, say, with_access, yes_option
from relay.cli.delivery_filter import filter_of, filter_options
from relay.cli.output import Column, show_rows
from relay.lookback.operations import Selected
from relay.store.session import Session

_COLUMNS = (
    Column(heading="delivery", value=lambda row: row["delivery"], is_id=True),
    Column(heading="result", value=lambda row: row["result"]),
    Column(heading="message", value=lambda row: row["message"]),
)
_QUESTIONS = {
    "retry": "Send {number} deliveries again?",
    "discard": "Give up {number} deliveries for good?",
}
_names = click.argument("names", nargs=-1, type=params.delivery_name, metavar="[EVENT_ID/ENDPOINT_ID]...")


@click.command()
@with_access
@_names
@click.option(
    "--state", type=click.Choice(["dead", "retrying", "held"]), help="All that match, and are in this state."
)
@filter_options
@rate_option
@dry_run_option
@detach_option
@yes_option
@output_option()
def retry(access: Access, names: tuple[DeliveryName, ...], output: OutputFormat, **options: Any) -> None:
    """Send deliveries again, at once and with a new retry window: those named, or all that match.

    A delivered one that is named is sent once more, and stays delivered. Several are counted first.
    """
    _change(access, "retry", names, options, output)


@click.command()
@with_access
@_names
@click.option(
    "--state",
    type=click.Choice(["pending", "retrying", "held", "dead"]),
    help="All that match, and are in this state.",
)
@filter_options
@rate_option
@dry_run_option
@detach_option
@yes_option
@output_option()
def discard(access: Access, names: tuple[DeliveryName, ...], output: OutputFormat, **options: Any) -> None:
    """Give deliveries up that have not ended well: those named, or all that match.

    They are dead with the reason "discarded", and can be retried. What is in flight is left alone.
    """
    _change(access, "discard", names, options, output)


def _change(
    access: Access,
    kind: Change,
    names: tuple[DeliveryName, ...],
    options: dict[str, Any],
    output: OutputFormat,
) -> None:
    dry_run, yes, detach, rate, state = (
        options.pop(name) for name in ("dry_run", "yes", "detach", "rate", "state")
    )
    is_filtered = state is not None or any(value is not None for value in options.values())
    if bool(names) == is_filtered:
        raise click.UsageError("name deliveries, or select them with --state and other options; one of both")
    if names:
        _change_named(access, kind, names, output)
        return
    if state is None:
        raise click.UsageError("add --state: only deliveries in one state are selected")
    selected = _select(access, kind, filter_of(state, options), rate)
    if decide(access, selected, _QUESTIONS[kind], dry_run=dry_run, yes=yes, output=output):
        carry_out(access, selected, detach=detach, output=output)


def _change_named(
    access: Access, kind: Change, names: tuple[DeliveryName, ...], output: OutputFormat
) -> None:
    async def work(session: Session) -> list[ChangeResult]:
        return await delivery_changes.change(session, kind, names, actor=access.actor)

    results = access.run(work)
    rows = [
        {"delivery": str(each.delivery), "result": each.result, "message": each.message} for each in results
    ]
    show_rows(rows, _COLUMNS, output)
    refused = [each for each in results if each.result not in delivery_changes.DONE[kind]]
    for each in refused:
        say(f"relay: {each.delivery}: {each.message}")
    if refused:
        raise click.exceptions.Exit(1)


def _select(access: Access, kind: Change, wanted: Filter, rate: float | None) -> Selected:
    async def work(session: Session) -> Selected:
        return await bulk.prepare_change(session, kind, wanted, rate=rate, actor=access.actor)

    return access.run(work, timeout=bulk.SELECTING)
