"""The state of everything in a few numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from relay.store.session import Session

LATELY = 300.0
"""Seconds that `lately` tells of."""
ALIVE_FOR = 15.0
"""Seconds for which a relay counts as running after it was last seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Rates of the last five minutes, what waits, and sizes.

    Attributes:
        is_relay_running: A relay is at work.
        attempts: In the last five minutes, as the next four.
        attempts_per_second: Of them.
        success_ratio: The part of them that delivered; None if there were none.
        p50_ms: Milliseconds that half of them took at most.
        p99_ms: The same of 99 in a hundred.
        backlog: Deliveries by state.
        oldest_age_s: Seconds since the oldest event was inserted that has such a delivery, by state.
        active_endpoints: That take deliveries.
        stopped_endpoints: That are paused or disabled.
        sizes: Bytes by table, indexes included.
        rows: About how many each has.
        log_begins: Since when the log is whole.
    """

    is_relay_running: bool
    attempts: int
    attempts_per_second: float
    success_ratio: float | None
    p50_ms: int | None
    p99_ms: int | None
    backlog: Mapping[str, int]
    oldest_age_s: Mapping[str, float]
    active_endpoints: int
    stopped_endpoints: int
    sizes: Mapping[str, int]
    rows: Mapping[str, int]
    log_begins: datetime


async def gather(session: Session) -> Stats:
    """Return them."""
    (row,) = await session.fetch("stats", LATELY)
    waiting = await session.fetch("backlog_exact")
    sizes = orjson.loads(row["sizes"])
    return Stats(
        is_relay_running=is_seen_lately(row["active_seen_ago"]),
        attempts=row["attempts"],
        attempts_per_second=round(row["attempts"] / LATELY, 1),
        success_ratio=round(row["delivered"] / row["attempts"], 4) if row["attempts"] else None,
        p50_ms=row["p50_ms"],
        p99_ms=row["p99_ms"],
        backlog={each["state"]: each["deliveries"] for each in waiting},
        oldest_age_s={each["state"]: round(each["oldest_age_s"], 1) for each in waiting},
        active_endpoints=row["active"],
        stopped_endpoints=row["stopped"],
        sizes={each["table"]: each["bytes"] for each in sizes},
        rows={each["table"]: each["rows"] for each in sizes},
        log_begins=row["log_begins"],
    )


def is_seen_lately(seconds_ago: float | None) -> bool:
    """Say whether a relay that was last seen so long ago is running; None: there was none."""
    return seconds_ago is not None and seconds_ago < ALIVE_FOR
