"""`relay replay`: sends again what was delivered or given up, or what an endpoint never had."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import click

from relay.admin.operations import bulk
from relay.admin.operations.bulk import ENDED_STATES, ReplayFilter
from relay.cli import params
from relay.cli.bulk import carry_out, decide, detach_option, dry_run_option
from relay.cli.common import Access, OutputFormat, check_tls, output_option, with_access, yes_option
from relay.lookback.operations import Selected
from relay.lookback.where import WhereRefused, matching
from relay.store.session import Session

DEFAULT_RATE = 100.0
_NO_READER = (
    "--where runs SQL of yours, so it needs a login that may only read: create one that has the role relay_reader, "
    "and set database.reader_dsn to it (docs/operations.md, Replay)"
)


@click.command()
@with_access
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(ENDED_STATES),
    help="Only what is delivered, or only what is dead; the default is both.",
)
@click.option("--missing", is_flag=True, help="Instead what endpoints subscribe to now and never had.")
@click.option("--endpoint", "endpoint_id", type=click.UUID, metavar="ID", help="Only to this endpoint.")
@click.option("--type", "event_type", metavar="TYPE", help="Only of this event type, or a prefix: invoice.*")
@click.option("--tenant", help="Only of this tenant.")
@click.option(
    "--since",
    type=params.moment_ago,
    metavar="TIME",
    help="Only events inserted then or later: a time, or how long ago (2h).",
)
@click.option(
    "--until", type=params.moment_ago, metavar="TIME", help="Only events inserted before: likewise."
)
@click.option(
    "--where",
    metavar="SQL",
    help="Only events for which this is true; it may name columns of relay.event and your own tables.",
)
@click.option(
    "--where-timeout",
    type=params.span,
    default="1m",
    show_default=True,
    metavar="TIME",
    help="How long --where may take.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_RATE,
    show_default=True,
    metavar="N",
    help="At most so many deliveries a second.",
)
@dry_run_option
@detach_option
@yes_option
@output_option()
def replay(
    access: Access,
    *,
    rate: float,
    where_timeout: timedelta,
    dry_run: bool,
    detach: bool,
    yes: bool,
    output: OutputFormat,
    **options: Any,
) -> None:
    """Send events again: those that were delivered or given up, or with --missing what an endpoint never had.

    The event ids stay the same, so that receivers can tell. Everything is counted first. The relay does it, at the
    rate that you give it, and goes on after a restart; `relay operation` pauses and cancels it.
    """
    if options["missing"] and options["states"]:
        raise click.UsageError("--missing is about what was never sent, so it has no --state")
    wanted = ReplayFilter(**{**options, "states": options["states"] or ENDED_STATES})
    selected = _select(access, wanted, rate=rate, limit=where_timeout.total_seconds())
    question = f"Send {{number}} deliveries{' that were missing' if wanted.missing else ' again'}?"
    if decide(access, selected, question, dry_run=dry_run, yes=yes, output=output):
        carry_out(access, selected, detach=detach, output=output)


def _select(access: Access, wanted: ReplayFilter, *, rate: float, limit: float) -> Selected:
    reader_dsn = access.settings.database.reader_dsn.get_secret_value()
    if wanted.where is not None and not reader_dsn:
        raise click.UsageError(_NO_READER)

    if reader_dsn and not access.settings.database.allow_plaintext:
        check_tls("database.reader_dsn", reader_dsn)

    def events() -> AsyncIterator[list[int]] | None:
        if wanted.where is None:
            return None
        return matching(reader_dsn, wanted.where, since=wanted.since, until=wanted.until, limit=limit)

    async def work(session: Session) -> Selected:
        return await bulk.prepare_replay(session, wanted, rate=rate, actor=access.actor, events=events())

    try:
        return access.run(work, timeout=bulk.SELECTING)
    except WhereRefused as error:
        raise click.UsageError(str(error)) from error
