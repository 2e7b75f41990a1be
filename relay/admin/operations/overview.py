"""How everything goes, in a few statements that cost the same however large the tables are."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from relay.admin.operations.alerts import Alert, list_alerts
from relay.admin.operations.sending import Pause, list_pauses
from relay.observe.readings import Waiting
from relay.store.session import Session

MOST_BLOCKS = 500
"""Of each table that are read: some thirty thousand deliveries. Of a larger one the counts are estimates."""
MOST_GROUPS = 12
MOST_ALERTS = 20
WAITING_STATES = ("dead", "retrying", "held", "pending", "in_flight")
"""In the order of who should look at them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySeen:
    """A relay that runs."""

    state: str
    host: str
    pid: int
    version: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """Deliveries of one endpoint that fail for one reason.

    Attributes:
        state: `dead`, `retrying`, or `held` if it is to be retried once its endpoint is resumed.
        reason: Why those that are dead are.
        status_code: The last answer; None: there was none, and `error_code` says why.
        deliveries: How many, if need be estimated.
        last_ended_at: When the last of them was given up.
        next_attempt_at: When the first of them is tried again.
        error: The last error of one of them.
    """

    endpoint_id: UUID
    state: str
    reason: str | None
    status_code: int | None
    error_code: str | None
    deliveries: int
    last_ended_at: datetime | None
    next_attempt_at: datetime | None
    error: str | None
    url: str
    description: str
    endpoint_state: str
    breaker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """How everything goes.

    Attributes:
        relays: Those that run, the active one first.
        pauses: What is stopped of all sending.
        alerts: Those that last, what concerns everything first.
        failing: What was given up first.
        backlog: By state.
        is_estimate: The counts are, since the tables are large.
    """

    relays: tuple[RelaySeen, ...]
    pauses: tuple[Pause, ...]
    alerts: tuple[Alert, ...]
    failing: tuple[Failing, ...]
    backlog: Mapping[str, Waiting]
    is_estimate: bool

    @property
    def is_relay_running(self) -> bool:
        """Whether deliveries are being made."""
        return any(each.state == "active" for each in self.relays)


async def look(session: Session, tenant: str | None) -> Picture:
    """Return how it goes, for everything or for one tenant."""
    backlog = await session.fetch("panel_backlog", MOST_BLOCKS, tenant)
    failing = await session.fetch("panel_failing", MOST_BLOCKS, tenant, MOST_GROUPS)
    relays = await session.fetch("panel_relays")
    pauses = await list_pauses(session)
    alerts = await list_alerts(session, active=True, tenant=tenant, before=None, limit=MOST_ALERTS)
    return Picture(
        relays=tuple(RelaySeen(**row) for row in relays),
        pauses=tuple(each for each in pauses if tenant is None or each.tenant in {None, tenant}),
        alerts=tuple(sorted(alerts, key=lambda alert: alert.endpoint_id is not None)),
        failing=tuple(Failing(**{each.name: row[each.name] for each in fields(Failing)}) for row in failing),
        backlog={
            row["state"]: Waiting(deliveries=row["deliveries"], oldest_age=row["oldest_age"])
            for row in backlog
        },
        is_estimate=any(row["is_estimate"] for row in backlog),
    )
