"""Changing operations on deliveries: send again, or give up; by name, or all that match in batches."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal
from uuid import UUID

from relay.admin.operations.deliveries import DeliveryName, Filter
from relay.store.session import Session

BATCH = 1000
"""The most deliveries that one transaction changes."""

Change = Literal["retry", "discard"]
DONE = {"retry": ("scheduled", "held"), "discard": ("discarded",)}
"""The results that mean that the wish was granted."""

_WHY = {
    "scheduled": "will be sent again now",
    "held": "will be sent again as soon as its endpoint takes deliveries; `relay endpoint resume` lets it",
    "discarded": "given up",
    "in_flight": "in flight or being recorded right now, so nothing was changed; look again in a moment",
    "delivered": "delivered already, so nothing was changed",
    "endpoint_removed": "its endpoint was removed, so it can be sent nowhere; publish the event anew",
    "cancelled": "its event was withdrawn; publish it anew",
    "expired": "its event's expires_at has passed; publish it anew",
    "not_found": "there is no such delivery; `relay event show EVENT_ID` shows those there are",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResult:
    """What became of the wish to change one delivery.

    Attributes:
        result: `scheduled`, `held` (scheduled, but its endpoint is paused or disabled) or `discarded` if it was done;
            else why nothing was changed: `in_flight`, `delivered`, `endpoint_removed`, `cancelled`, `expired` or
            `not_found`.
    """

    delivery: DeliveryName
    result: str

    @property
    def message(self) -> str:
        """Return the result as a person would say it."""
        return _WHY[self.result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Deliveries that match, fixed at one moment: what comes later is not among them."""

    wanted: Filter
    number: int


async def change(
    session: Session, kind: Change, names: Sequence[DeliveryName], *, actor: str
) -> list[ChangeResult]:
    """Send deliveries again (also delivered ones, once more), or give them up; return what became of each.

    A retry opens a new window and schedule; attempts go on being numbered. Names are changed in batches of at
    most 1000, each its own transaction.
    """
    results: list[ChangeResult] = []
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        options = (True,) if kind == "retry" else ()
        results += await _change_batch(session, kind, batch, (*options, actor, None))
    return results


async def select(session: Session, wanted: Filter) -> Selection:
    """Return how many deliveries match that have not ended well; the filter must have a state."""
    row = (await session.fetch("delivery_count", *wanted.parameters()))[0]
    until = min(filter(None, (wanted.until, row["counted_at"])))
    return Selection(wanted=replace(wanted, until=until), number=row["number"])


async def change_selected(
    session: Session, kind: Change, selection: Selection, *, actor: str
) -> AsyncIterator[Counter[str]]:
    """Change all that was selected, and yield after each batch of at most 1000 how many had which result.

    Each batch is its own transaction. Deliveries that were delivered meanwhile are not sent again.
    """
    note = json.dumps(asdict(selection.wanted), default=str)
    options = (False,) if kind == "retry" else ()
    last: tuple[int, UUID] = (0, UUID(int=0))
    while rows := await session.fetch("delivery_pick", *selection.wanted.parameters(), *last, BATCH):
        names = [DeliveryName(event_id=row["event_id"], endpoint_id=row["endpoint_id"]) for row in rows]
        results = await _change_batch(session, kind, names, (*options, actor, note))
        yield Counter(each.result for each in results)
        last = (rows[-1]["event_seq"], rows[-1]["endpoint_id"])


async def _change_batch(
    session: Session, kind: Change, names: Sequence[DeliveryName], options: tuple[object, ...]
) -> list[ChangeResult]:
    rows = await session.fetch(
        f"delivery_{kind}", [each.event_id for each in names], [each.endpoint_id for each in names], *options
    )
    results = {(row["event_id"], row["endpoint_id"]): row["result"] for row in rows}
    return [
        ChangeResult(delivery=each, result=results[each.event_id, each.endpoint_id])
        for each in dict.fromkeys(names)
    ]
