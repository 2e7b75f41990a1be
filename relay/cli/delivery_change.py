"""`relay delivery retry` and `discard`: named deliveries, or all that match, in batches."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import click

from relay.admin.operations import delivery_changes
from relay.admin.operations.deliveries import DeliveryName, Filter
from relay.admin.operations.delivery_changes import Change, ChangeResult, Selection
from relay.cli import params
from relay.cli.common import Access, OutputFormat, confirm, output_option, say, with_access, yes_option
from relay.cli.delivery_filter import filter_of, filter_options
from relay.cli.output import Column, show_one, show_rows
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
_dry_run = click.option("--dry-run", is_flag=True, help="Only say how many match.")


@click.command()
@with_access
@_names
@click.option(
    "--state", type=click.Choice(["dead", "retrying", "held"]), help="All that match, and are in this state."
)
@filter_options
@_dry_run
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
@_dry_run
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
    dry_run, yes, state = (options.pop(name) for name in ("dry_run", "yes", "state"))
    is_filtered = state is not None or any(value is not None for value in options.values())
    if bool(names) == is_filtered:
        raise click.UsageError("name deliveries, or select them with --state and other options; one of both")
    if names:
        _change_named(access, kind, names, output)
        return
    if state is None:
        raise click.UsageError("add --state: only deliveries in one state are selected")
    selection = _select(access, filter_of(state, options))
    if dry_run or not selection.number:
        show_one({"matched": selection.number, "results": {}}, output)
        return
    confirm(_QUESTIONS[kind].format(number=selection.number), yes=yes)
    results = _change_selected(access, kind, selection)
    show_one({"matched": selection.number, "results": dict(sorted(results.items()))}, output)


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


def _select(access: Access, wanted: Filter) -> Selection:
    selection = access.run(lambda session: delivery_changes.select(session, wanted))
    say(f"{selection.number} {'delivery matches' if selection.number == 1 else 'deliveries match'}.")
    return selection


def _change_selected(access: Access, kind: Change, selection: Selection) -> Counter[str]:
    from rich.console import Console  # noqa: PLC0415 - only for people, and slow to import
    from rich.progress import Progress  # noqa: PLC0415 - goes with it

    with Progress(console=Console(stderr=True), disable=not Console(stderr=True).is_terminal) as progress:
        bar = progress.add_task(kind, total=selection.number)
        return access.run(
            lambda session: _in_batches(
                session, kind, selection, access.actor, lambda number: progress.advance(bar, number)
            )
        )


async def _in_batches(
    session: Session, kind: Change, selection: Selection, actor: str, advance: Callable[[int], None]
) -> Counter[str]:
    results: Counter[str] = Counter()
    async for batch in delivery_changes.change_selected(session, kind, selection, actor=actor):
        results += batch
        advance(batch.total())
    return results
