"""Looks whether a database is as Relay needs it, and says what to do where it is not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import asyncpg

from relay.store.session import Session

Severity = Literal["ok", "warning", "problem"]

LONG = 3600.0
"""Seconds that a transaction may be open before it is told of: nothing that it could see is vacuumed."""
SEEN = 15.0
BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        check: Its name, always from the same list.
        message: What is so, and what to do if it is not well.
    """

    check: str
    severity: Severity
    message: str


async def examine(session: Session) -> list[Finding]:
    """Run every check.

    Raises:
        DatabaseAway: The database cannot be reached.
    """
    (row,) = await session.fetch("doctor")
    return [*_findings(row), _of_bypassed(await bypassed(session))]


async def bypassed(session: Session, since: datetime | None = None) -> int:
    """Return how many events bypassed the trigger, of those inserted since then."""
    (row,) = await session.fetch("doctor_bypassed", since)
    number: int = row["number"]
    return number


async def requeue(session: Session, *, actor: str, since: datetime | None = None) -> int:
    """Let every event be fanned out that bypassed the trigger, inserted since then; returns how many there were."""
    await session.fetch("fresh_repair")
    queued, after = 0, 0
    while True:
        async with session.transaction() as run:
            await run("doctor_lock")
            rows = await run("doctor_requeue", after, BATCH, actor, since)
        if not rows:
            break
        queued += rows[0]["queued"]
        after = rows[0]["last_seq"]
    await session.fetch("wake")
    return queued


def _findings(row: asyncpg.Record) -> Iterator[Finding]:
    yield _finding(
        "trigger",
        row["trigger_enabled"] in {"O", "A"},
        "every insert into relay.outbox is seen",
        "the trigger outbox_inserted is disabled or gone, so nothing new is sent: "
        "alter table relay.outbox enable trigger outbox_inserted, then relay doctor --requeue",
    )
    number = row["fresh_from_elsewhere"]
    yield _finding(
        "restored",
        not number,
        "no event carries a transaction id of another cluster",
        f"{number} events carry transaction ids of another cluster, as after a restore; a running relay mends that "
        "within a minute, and relay doctor --requeue at once",
    )
    yield _finding(
        "sequence",
        (row["next_seq"] or 0) >= row["last_seq"],
        "the next event gets a new seq",
        f"the sequence of relay.outbox stands at {row['next_seq']}, behind its last event, {row['last_seq']}, "  # noqa: S608
        "so inserts fail; select setval('relay.outbox_seq_seq', (select max(seq) from relay.outbox))",
    )
    yield _finding(
        "relay",
        row["active_seen_ago"] is not None and row["active_seen_ago"] < SEEN,
        "a relay is at work",
        "no relay is at work, so nothing is sent; start one: systemctl start relay",
        severity="warning",
    )
    yield _finding(
        "partitions",
        row["has_partition"],
        "the log has a partition for today",
        "the log has no partition for today, so attempts go to the default one; "
        "a running relay makes it within the hour",
        severity="warning",
    )
    yield from _of_vacuum(row)
    yield from _of_endpoints(row)


def _of_vacuum(row: asyncpg.Record) -> Iterator[Finding]:
    oldest = max(row["oldest_transaction"] or 0.0, row["oldest_prepared"] or 0.0)
    yield _finding(
        "transactions",
        oldest < LONG,
        "no transaction that this login can see is open for long",
        f"a transaction is open for {oldest / 3600:.1f} hours, and keeps vacuum from its work; "
        "look into pg_stat_activity and pg_prepared_xacts",
        severity="warning",
    )
    yield _finding(
        "autovacuum",
        row["has_autovacuum"],
        "autovacuum is on",
        "autovacuum is off: relay.fresh and relay.delivery will grow without end; set autovacuum = on",
    )


def _of_endpoints(row: asyncpg.Record) -> Iterator[Finding]:
    number = row["endpoints_without_secret"]
    yield _finding(
        "secrets",
        not number,
        "every endpoint has a secret to sign with",
        f"{number} endpoints have no secret, so their deliveries are held; relay endpoint rotate-secret ID",
    )
    number = row["endpoints_disabled"]
    yield _finding(
        "disabled",
        not number,
        "no endpoint is disabled",
        f"{number} endpoints are disabled and their deliveries held; relay endpoint list, relay endpoint resume ID",
        severity="warning",
    )


def _of_bypassed(number: int) -> Finding:
    return _finding(
        "bypassed",
        not number,
        "no event bypassed the trigger",
        f"{number} events bypassed the trigger, as when rows are loaded with triggers off, and were never looked at; "
        "relay doctor --requeue lets them be sent",
    )


def _finding(check: str, is_well: object, well: str, unwell: str, severity: Severity = "problem") -> Finding:
    return Finding(check=check, severity="ok" if is_well else severity, message=well if is_well else unwell)
