"""What goes on at this moment: rates of the last seconds, what waits, and the busiest endpoints."""

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from relay.admin.operations.sending import Pause, list_pauses
from relay.admin.operations.stats import is_seen_lately
from relay.store.session import Session

MOST_ENDPOINTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyEndpoint:
    """An endpoint with its attempts of the last seconds.

    Attributes:
        breaker: closed, open or half_open.
        p50_ms: Milliseconds that half of the attempts took at most.
        p99_ms: The same of 99 in a hundred.
        failed_with: A status or error code of one that failed.
    """

    endpoint_id: UUID
    url: str | None
    description: str | None
    state: str | None
    breaker: str
    attempts: int
    delivered: int
    p50_ms: int
    p99_ms: int
    failed_with: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Deliveries in one state, and since when the oldest of their events is there."""

    state: str
    deliveries: int
    oldest_age_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """What goes on.

    Attributes:
        at: When that was asked, by the database's clock.
        seconds: How long a while the endpoints' numbers are of.
        endpoints: Those that failed most first, then the busiest.
    """

    at: datetime
    seconds: float
    is_relay_running: bool
    pauses: tuple[Pause, ...]
    waiting: tuple[Waiting, ...]
    endpoints: tuple[BusyEndpoint, ...]


async def look(session: Session, *, seconds: float) -> Top:
    """Return what went on in the last seconds, and what waits now."""
    rows = await session.fetch("top_endpoints", seconds, MOST_ENDPOINTS)
    waiting = await session.fetch("backlog_exact")
    (state,) = await session.fetch("relay_seen")
    return Top(
        at=state["now"],
        seconds=seconds,
        is_relay_running=is_seen_lately(state["active_seen_ago"]),
        pauses=tuple(await list_pauses(session)),
        waiting=tuple(
            Waiting(state=row["state"], deliveries=row["deliveries"], oldest_age_s=row["oldest_age_s"])
            for row in waiting
        ),
        endpoints=tuple(
            BusyEndpoint(**{each.name: row[each.name] for each in fields(BusyEndpoint)}) for row in rows
        ),
    )
