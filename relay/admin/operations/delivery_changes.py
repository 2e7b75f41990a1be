"""Changing operations on deliveries that are named: send again, or give up. Many that match are for `bulk`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from relay.admin.operations.deliveries import DeliveryName
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
    "expunged": "its event's contents were expunged, so there is nothing to send",
    "expired": "its event's expires_at has passed; publish it anew",
    "not_found": "there is no such delivery; `relay event show EVENT_ID` shows those there are",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResult:
    """What became of the wish to change one delivery.

    Attributes:
        result: `scheduled`, `held` (scheduled, but its endpoint is paused or disabled) or `discarded` if it was done;
            else why nothing was changed: `in_flight`, `delivered`, `endpoint_removed`, `cancelled`, `expired`,
            `expunged` or `not_found`.
    """

    delivery: DeliveryName
    result: str

    @property
    def message(self) -> str:
        """Return the result as a person would say it."""
        return _WHY[self.result]


async def change(
    session: Session, kind: Change, names: Sequence[DeliveryName], *, actor: str, tenant: str | None = None
) -> list[ChangeResult]:
    """Send deliveries again (also delivered ones, once more), or give them up; return what became of each.

    A retry opens a new window and schedule; attempts go on being numbered. Names are changed in batches of at
    most 1000, each its own transaction. If a tenant is given, what is another's is not there.
    """
    results: list[ChangeResult] = []
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        options = (True, actor, "manual", False) if kind == "retry" else (actor,)
        results += await _change_batch(session, kind, batch, tenant, options)
    return results


async def _change_batch(
    session: Session,
    kind: Change,
    names: Sequence[DeliveryName],
    tenant: str | None,
    options: tuple[object, ...],
) -> list[ChangeResult]:
    found = await session.fetch("event_seqs", list({each.event_id for each in names}), tenant)
    seqs = {row["id"]: row["seq"] for row in found}
    known = [each for each in names if each.event_id in seqs]
    rows = await session.fetch(
        f"delivery_{kind}",
        [seqs[each.event_id] for each in known],
        [each.endpoint_id for each in known],
        *options,
    )
    results = {(row["event_seq"], row["endpoint_id"]): row["result"] for row in rows}
    return [
        ChangeResult(
            delivery=each,
            result=results[seqs[each.event_id], each.endpoint_id] if each.event_id in seqs else "not_found",
        )
        for each in dict.fromkeys(names)
    ]
