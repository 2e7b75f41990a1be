"""What is looked after beside the deliveries: each a loop of its own, on sessions that move none."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from uuid import UUID

from relay.alerts.alerts import Alerts
from relay.config import Settings
from relay.endpoints.conditions import ConditionKeeper
from relay.endpoints.health import Standings
from relay.endpoints.notices import Notices
from relay.lookback.retention import Periods, Retention
from relay.lookback.runner import OperationRunner
from relay.pipeline.housekeeping import Housekeeping
from relay.pipeline.leases import Leases
from relay.pipeline.order import OrderKeeper
from relay.pipeline.scheduler import Scheduler
from relay.store.instance import Instance
from relay.store.sessions import Sessions
from relay.store.watch import Backoff


class Caretakers:
    """The loops of one relay that look after everything else.

    Args:
        settings: The configuration.
        sessions: The relay's.
        instance: Tells whether this relay is the active one.
        backoff: Makes the pauses of a loop, by its name.
        standings: Of all endpoints.
        notices: Tell operators' endpoints.
        alerts: Raised when something goes wrong for long.
        order: Lets go what waited for an earlier event of its key.
        scheduler: Gets what the survey finds.
        leases: Looked through now and then.
        note_due: Called with endpoint and delay for what is to be sent.
        wake: Wakes the scheduler.

    Attributes:
        housekeeping: Surveys the database.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        sessions: Sessions,
        instance: Instance,
        backoff: Callable[[str], Backoff],
        standings: Standings,
        notices: Notices,
        alerts: Alerts,
        order: OrderKeeper,
        scheduler: Scheduler,
        leases: Leases,
        note_due: Callable[[UUID, float], None],
        wake: asyncio.Event,
    ) -> None:
        active = instance.active
        self._notices = notices
        self._alerts = alerts
        self._order = order
        self._sweeping = (sessions.admin, active, backoff("order"))
        self.housekeeping = Housekeeping(
            session=sessions.admin,
            scheduler=scheduler,
            leases=leases,
            active=active,
            wake=wake,
            backoff=backoff("housekeeping"),
        )
        self._conditions = ConditionKeeper(
            standings=standings,
            session=sessions.admin,
            notices=notices,
            active=active,
            backoff=backoff("conditions"),
        )
        self._operations = OperationRunner(
            session=sessions.operations,
            note_due=note_due,
            active=active,
            wanted=instance.has_operation,
            backoff=backoff("operations"),
        )
        self._retention = Retention(
            session=sessions.retention,
            periods=Periods.of(settings.retention),
            active=active,
            backoff=backoff("retention"),
        )

    def chores(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """Yield each loop with its name; they run until they are cancelled."""
        session, active, backoff = self._sweeping
        yield "housekeeping", self.housekeeping.run()
        yield "endpoint conditions", self._conditions.run()
        yield "notices", self._notices.run()
        yield "alerts", self._alerts.run()
        yield "order", self._order.sweep(session, active=active, backoff=backoff)
        yield "operations", self._operations.run()
        yield "retention", self._retention.run()

    def change(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._retention.periods = Periods.of(settings.retention)
        self._alerts.change(settings)

    async def finish(self) -> None:
        """Write and send what is left of conditions, notices and alerts: the relay is about to end."""
        await self._conditions.finish()
        await self._notices.finish()
        await self._alerts.finish()
