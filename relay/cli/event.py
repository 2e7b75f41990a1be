"""`relay event`: publish one by hand, find out what became of it, withdraw it."""

import json
import sys
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from relay.admin.operations import events
from relay.admin.operations.events import EventReport, NewEvent, Published
from relay.cli import params
from relay.cli.common import Access, OutputFormat, confirm, output_option, say, with_access, yes_option
from relay.cli.delivery_fields import delivery_fields
from relay.cli.output import Column, plain, show_fields, show_one, show_rows
from relay.lookback import expunge as expunging
from relay.store.session import Session

_LARGEST_PAYLOAD = 64 * 1024**2
_id = click.argument("event_id", type=click.UUID, metavar="ID")
_COLUMNS = (
    Column(heading="endpoint", value=lambda row: row["endpoint_id"], is_id=True),
    Column(heading="state", value=lambda row: row["state"]),
    Column(heading="attempts", value=lambda row: row["attempts"]),
    Column(heading="why", value=lambda row: row["explanation"]),
)


_EXPUNGED = (
    Column(heading="event", value=lambda row: row["event_id"], is_id=True),
    Column(heading="result", value=lambda row: row["result"]),
    Column(heading="message", value=lambda row: row["message"]),
)


@click.group()
def event() -> None:
    """Publish, look up, cancel and expunge events."""


@event.command()
@with_access
@click.argument("event_type", metavar="TYPE")
@click.argument("payload", required=False, metavar="[PAYLOAD|-]")
@click.option("--id", type=click.UUID, help="The event's id; the default is a random one.")
@click.option("--tenant", default="", help="Only endpoints of this tenant get it.")
@click.option("--ordering-key", help="The key within which the events have an order.")
@click.option("--sequence", type=int, help="Your own version within the key, sent as X-Webhook-Sequence.")
@click.option("--endpoint-id", type=click.UUID, help="Only this endpoint, whatever it subscribes to.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    type=params.header,
    metavar="'NAME: VALUE'",
    help="Sent with each request; may be repeated.",
)
@click.option("--deliver-at", type=params.moment_ahead, metavar="TIME", help="Not before; a time, or 10m.")
@click.option("--expires-at", type=params.moment_ahead, metavar="TIME", help="Not after; a time, or 2d.")
@click.option("--dedupe-key", help="Publish at most one event of this key.")
@click.option("--traceparent", help="W3C trace context.")
@click.option(
    "-o", "--output", type=click.Choice(["id", "json", "jsonl"]), default="id", help="Default: the id alone."
)
def publish(
    access: Access,
    payload: str | None,
    headers: tuple[tuple[str, str], ...],
    output: str,
    **fields: Any,
) -> None:
    """Publish one event and print its id. PAYLOAD is JSON, sent byte for byte; - or none: read from stdin."""
    wanted = NewEvent(payload=_payload(payload), headers=params.headers_of(headers), **fields)
    done = access.run(lambda session: events.publish(session, wanted, actor=access.actor))
    if output == "id":
        click.echo(str(done.event_id))
    else:
        show_one(done, "json" if output == "json" else "jsonl")
    _warn(wanted, done)


@event.command()
@with_access
@_id
@output_option()
def show(access: Access, event_id: UUID, output: OutputFormat) -> None:
    """Show an event and what became of it at each endpoint, with the reason for what waits."""
    report = access.run(lambda session: events.show(session, event_id))
    fields = _fields(report)
    if output != "table":
        show_fields(fields, output)
        return
    deliveries = fields.pop("deliveries")
    show_fields(fields, output)
    click.echo()
    show_rows(deliveries, _COLUMNS, output)


@event.command()
@with_access
@_id
@output_option()
def cancel(access: Access, event_id: UUID, output: OutputFormat) -> None:
    """Withdraw what of an event has not been claimed, and show what became of it.

    What is in flight ends by itself, and what was delivered stays so.
    """
    changed = access.run(lambda session: events.cancel(session, event_id, actor=access.actor))
    say("The event is withdrawn." if changed else "The event was withdrawn before.")
    report = access.run(lambda session: events.show(session, event_id))
    if output == "table":
        show_rows(_fields(report)["deliveries"], _COLUMNS, output)
    else:
        show_fields(_fields(report), output)


@event.command()
@with_access
@click.argument("event_ids", nargs=-1, type=click.UUID, metavar="[ID]...")
@click.option("--tenant", metavar="NAME", help="Instead all events of this tenant.")
@click.option("--cancel", "withdraw", is_flag=True, help="Withdraw deliveries that wait; else it is refused.")
@yes_option
@output_option()
def expunge(
    access: Access,
    *,
    event_ids: tuple[UUID, ...],
    tenant: str | None,
    withdraw: bool,
    yes: bool,
    output: OutputFormat,
) -> None:
    """Take the contents of events away, for good: payload, headers, keys, and what receivers answered.

    What is left tells that there was an event, where it was sent, when, and how that ended.
    """
    if bool(event_ids) == (tenant is not None):
        raise click.UsageError("name events, or give --tenant; one of both")
    if tenant is None:
        confirm(f"Expunge {len(event_ids)} events for good?", yes=yes)
        _expunge_named(access, event_ids, withdraw=withdraw, output=output)
        return
    found = access.run(lambda session: expunging.count(session, tenant))
    say(f"Tenant {tenant!r} has {found.number} events that are not expunged.")
    if found.number:
        confirm(f"Expunge {found.number} events for good?", yes=yes)
    results: Counter[str] = access.run(
        lambda session: _expunge_all(session, found, withdraw=withdraw, actor=access.actor)
    )
    show_one({"matched": found.number, "results": dict(sorted(results.items()))}, output)
    if results.total() != results["expunged"]:
        raise click.exceptions.Exit(1)


def _expunge_named(
    access: Access, event_ids: tuple[UUID, ...], *, withdraw: bool, output: OutputFormat
) -> None:
    results = access.run(
        lambda session: expunging.expunge(session, event_ids, withdraw=withdraw, actor=access.actor)
    )
    rows = [
        {"event_id": str(event_id), "result": result, "message": expunging.WHY[result]}
        for event_id, result in results
    ]
    show_rows(rows, _EXPUNGED, output)
    if any(result not in {"expunged", "already"} for _, result in results):
        raise click.exceptions.Exit(1)


async def _expunge_all(
    session: Session, tenant: expunging.Tenant, *, withdraw: bool, actor: str
) -> Counter[str]:
    results: Counter[str] = Counter()
    async for batch in expunging.expunge_tenant(session, tenant, withdraw=withdraw, actor=actor):
        results += batch
    return results


def _payload(given: str | None) -> str:
    if given not in {None, "-"}:
        return str(given)
    if given is None and sys.stdin.isatty():
        raise click.UsageError("give the payload as JSON after the type, or pipe it in")
    data = sys.stdin.buffer.read(_LARGEST_PAYLOAD + 1)
    if len(data) > _LARGEST_PAYLOAD:
        raise click.UsageError(f"the payload on stdin is longer than {_LARGEST_PAYLOAD} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"the payload on stdin is not UTF-8 at byte {error.start}") from None


def _warn(wanted: NewEvent, done: Published) -> None:
    if not done.is_new:
        say("Nothing was stored: the dedupe key was used before. This is the id of the first event.")
    elif done.endpoints == 0 and wanted.endpoint_id is not None:
        say(f"Nobody will get it: tenant {wanted.tenant!r} has no endpoint {wanted.endpoint_id}.")
    elif done.endpoints == 0:
        say(f"Nobody will get it: no endpoint of tenant {wanted.tenant!r} subscribes to {wanted.event_type}.")


def _fields(report: EventReport) -> dict[str, Any]:
    found: dict[str, Any] = plain(report.event)
    found["headers"] = json.loads(found["headers"]) if found["headers"] else None
    now: datetime = report.asked_at
    found["deliveries"] = [
        delivery_fields(each, now=now, is_relay_running=report.is_relay_running) for each in report.deliveries
    ]
    return found
