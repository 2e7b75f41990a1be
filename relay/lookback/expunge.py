"""Takes the contents of events away, for good, and leaves what tells that they were there."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple
from uuid import UUID

from relay.store.session import Session

BATCH = 1000
"""The most events that one transaction changes."""

WHY = {
    "expunged": "its contents are gone",
    "already": "its contents were taken away before",
    "waiting": "deliveries of it wait; add --cancel to withdraw them with it",
    "in_flight": "a delivery of it is being sent or changed right now, so nothing was changed; try again in a moment",
    "not_found": "there is no such event",
}
"""What each result means, for people."""


class Expunged(NamedTuple):
    """What became of the wish to expunge one event."""

    event_id: UUID
    result: str


class Tenant(NamedTuple):
    """The events of a tenant at one moment."""

    name: str
    number: int
    last_seq: int


async def expunge(
    session: Session, event_ids: Sequence[UUID], *, withdraw: bool, actor: str
) -> list[Expunged]:
    """Expunge events, each batch in a transaction of its own; returns what became of each.

    Args:
        session: The database.
        event_ids: Which.
        withdraw: Deliveries that wait end as cancelled; else such an event is left alone.
        actor: Who does it, for the audit.
    """
    results: list[Expunged] = []
    for start in range(0, len(event_ids), BATCH):
        rows = await session.fetch("event_expunge", event_ids[start : start + BATCH], withdraw, actor)
        results += [Expunged(row["event_id"], row["result"]) for row in rows]
    return results


async def count(session: Session, tenant: str) -> Tenant:
    """Return how many events of a tenant there are to be expunged."""
    (row,) = await session.fetch("event_count_of_tenant", tenant)
    return Tenant(tenant, row["number"], row["last_seq"])


async def expunge_tenant(
    session: Session, tenant: Tenant, *, withdraw: bool, actor: str
) -> AsyncIterator[Counter[str]]:
    """Expunge all events that a tenant had at that moment; yields after each batch how many had which result."""
    after = 0
    while rows := await session.fetch("event_of_tenant", tenant.name, after, tenant.last_seq, BATCH):
        ids = [row["id"] for row in rows]
        results = await expunge(session, ids, withdraw=withdraw, actor=actor)
        yield Counter(each.result for each in results)
        after = rows[-1]["seq"]
