"""What is counted and measured while a relay runs: a part of the wiring."""

from relay.alerts.alerts import Alerts
from relay.endpoints.registry import Registry
from relay.observe.histogram import Histogram
from relay.observe.loop_lag import LoopLag
from relay.observe.readings import Readings
from relay.observe.tally import Tally
from relay.pipeline.listener import Listener
from relay.pipeline.slots import Slots
from relay.store.backlog import BacklogWatch
from relay.store.instance import Instance
from relay.store.session import Session
from relay.store.watch import DatabaseWatch

STATEMENT_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Vitals:
    """Holds what others fill.

    Args:
        max_endpoints: How many endpoints may have metrics of their own.

    Attributes:
        tally: For the recorder, and whoever else ends deliveries.
        timed: For the sessions: the statements whose duration is of interest.
        loop_lag: To be kept running.
        has_reloaded: False once a reload found the configuration wrong.
    """

    def __init__(self, *, max_endpoints: int) -> None:
        self._max_endpoints = max_endpoints
        self.tally = Tally(max_endpoints=max_endpoints)
        self.timed = {name: Histogram(STATEMENT_BOUNDS) for name in ("claim_due", "record")}
        self.loop_lag = LoopLag()
        self.has_reloaded = True

    def readings(
        self,
        *,
        admin: Session,
        watch: DatabaseWatch,
        instance: Instance,
        listener: Listener,
        registry: Registry,
        slots: Slots,
        alerts: Alerts,
    ) -> Readings:
        """Return what metrics and the panel are made of: all this, and the state of these parts."""
        backlog = BacklogWatch(
            admin,
            active=instance.active,
            held=lambda: [endpoint_id for endpoint_id, state in registry.states() if state != "active"],
        )
        return Readings(
            tally=self.tally,
            claim_duration=self.timed["claim_due"],
            record_duration=self.timed["record"],
            max_endpoints=self._max_endpoints,
            look_at_backlog=backlog.look,
            backlog=backlog.states,
            endpoints=registry.states,
            is_endpoint=lambda endpoint_id: registry.get(endpoint_id) is not None,
            alerts=alerts.counts,
            in_flight=lambda: slots.in_hand,
            notifications=lambda: listener.notifications,
            loop_lag=self.loop_lag.current,
            is_active=instance.active.is_set,
            is_database_up=lambda: watch.is_up,
            has_reloaded=lambda: self.has_reloaded,
        )
