"""The wiring: nothing else puts the parts together. How they live and stop is in `life.py`."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from relay.alerts.alerts import Alerts
from relay.caretakers import Caretakers
from relay.config import Settings
from relay.endpoints.defaults import breaker_rules_of, defaults_of, streak_rules_of
from relay.endpoints.failing import FailingEndpoints
from relay.endpoints.health import Standings
from relay.endpoints.notices import Notices
from relay.endpoints.rates import RateLimits
from relay.endpoints.registry import Registry
from relay.endpoints.rows import EndpointRows
from relay.http.build import address_policy, make_transport, url_rule
from relay.http.guard import GuardedSocketFactory
from relay.http.transport import Transport
from relay.keyring import Keyring
from relay.life import Life
from relay.observe.logs import get_logger
from relay.pipeline.desk import Desk
from relay.pipeline.dispatcher import Dispatcher
from relay.pipeline.due import DueTimes
from relay.pipeline.fanout import FanOut
from relay.pipeline.leases import Leases
from relay.pipeline.listener import Listener, Rest
from relay.pipeline.order import OrderKeeper
from relay.pipeline.outcome_log import OutcomeLog
from relay.pipeline.recorder import Recorder
from relay.pipeline.rounds import ClaimRound, FanOutRound
from relay.pipeline.scheduler import Scheduler
from relay.pipeline.sender import Sender, limits_of
from relay.pipeline.slots import Slots
from relay.servers import served
from relay.store.clock import DatabaseClock
from relay.store.instance import Instance
from relay.store.secrets import SecretBox
from relay.store.sessions import Sessions
from relay.store.watch import Backoff, DatabaseWatch
from relay.vitals import Vitals

log = get_logger()

LEASE_MARGIN = 30.0
"""Seconds that a lease outlives the longest time-out of an endpoint."""


class Relay:
    """One relay on one database.

    Args:
        settings: The configuration.
        dsn: Where the database is; its schema is up to date.
        box: Opens the endpoints' secrets.
        stop: Set when it is to drain and end.
        until_idle: End by itself once nothing is fresh, in hand or due.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        dsn: str,
        box: SecretBox,
        stop: asyncio.Event,
        until_idle: bool = False,
    ) -> None:
        self._settings = settings
        self._dsn = dsn
        self._stop = stop
        self._until_idle = until_idle
        self._watch = DatabaseWatch()
        self._vitals = Vitals(max_endpoints=settings.metrics.max_endpoints)
        self._listener = Listener()
        self._sessions = Sessions(
            dsn,
            setup=self._listener.listen if settings.database.listen else None,
            timed=self._vitals.timed,
        )
        self._instance = Instance(
            session=self._sessions.listener,
            patient=self._sessions.admin,
            backoff=self._backoff("listener"),
            activated=self._start_over,
        )
        self._clock = DatabaseClock()
        self._wake = asyncio.Event()
        self._due = DueTimes(changed=self._wake)
        self._standings = Standings(
            rules=breaker_rules_of(settings),
            note_due=self._due.note,
            failing=FailingEndpoints(streak_rules_of(settings)),
        )
        self._slots = Slots(
            total=settings.delivery.max_in_flight,
            total_bytes=settings.delivery.max_in_flight_bytes,
            freed=self._wake,
            standings=self._standings,
        )
        self._outcome_log = OutcomeLog(sample_success=settings.log.sample_success)
        self._rows = EndpointRows(
            defaults=defaults_of(settings), secrets=box, refuse_url=url_rule(settings.security)
        )
        self._registry = Registry(self._rows, self._standings)
        self._keyring = Keyring(
            box=box,
            rows=self._rows,
            session=self._sessions.admin,
            announce=self._instance.hold,
            changed=self._read_endpoints,
            refused=self.refuse_reload,
        )
        self._notices = Notices(
            session=self._sessions.admin,
            registry=self._registry,
            tenant=settings.alerts.tenant,
            backoff=self._backoff("notices"),
        )
        self._order = OrderKeeper(note_due=self._due.note, registry=self._registry)
        self._guard = GuardedSocketFactory(address_policy(settings.security))
        self._sender: Sender | None = None

    async def run(self) -> None:
        """Start, deliver until `stop` is set, drain, and end.

        Raises:
            ConfigError: A master key is missing that sealed secrets in the database.
            DatabaseAway: The database was not there at the start.
            CannotListen: The address of the health endpoints or of the panel is taken.
        """
        started = time.monotonic()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._sessions.close)
            await self._introduce()
            self._build(await stack.enter_async_context(make_transport(self._settings.security, self._guard)))
            await stack.enter_async_context(self._served())
            await self._life().run()
        log.info("relay.stopped", unfinished=self._slots.in_hand, uptime_s=round(time.monotonic() - started))

    def reload(self, settings: Settings, box: SecretBox) -> None:
        """Take over what of these settings a running relay can change."""
        self._settings = settings
        self._vitals.has_reloaded = True
        self._outcome_log.sample_success = settings.log.sample_success
        self._standings.change(breaker_rules_of(settings))
        self._standings.failing.rules = streak_rules_of(settings)
        self._notices.tenant = settings.alerts.tenant
        self._guard.policy = address_policy(settings.security)
        self._rows.change(defaults=defaults_of(settings), refuse_url=url_rule(settings.security))
        self._keyring.change(box)
        if self._sender is not None:
            self._sender.limits = limits_of(settings.delivery)
            self._caretakers.change(settings)
        self._registry.read_all_again()  # with the new defaults
        self._listener.woken.set()

    def refuse_reload(self) -> None:
        """Keep the settings as they are, since the new ones are wrong, and let it be seen."""
        self._vitals.has_reloaded = False

    # Start.

    async def _introduce(self) -> None:
        """Enter this process among the relays, and hand the database what it enforces by itself."""
        await self._keyring.check()
        await self._instance.register(self._keyring.box.key_ids)
        limit = self._settings.delivery.max_payload_bytes
        await self._sessions.admin.fetch("setting_write", "max_payload_bytes", limit)

    def _build(self, wire: Transport) -> None:
        """Put the pipeline together, from its end to its beginning."""
        settings = self._settings
        self._recorder = Recorder(
            session=self._sessions.record,
            instance=self._instance.id,
            slots=self._slots,
            standings=self._standings,
            outcome_log=self._outcome_log,
            notices=self._notices,
            order=self._order,
            note_due=self._due.note,
            claim_lost=self._suspect_strays,
            tally=self._vitals.tally,
            backoff=self._backoff("record"),
        )
        self._alerts = Alerts(
            settings=settings,
            session=self._sessions.admin,
            wire=wire,
            instance=self._instance,
            watch=self._watch,
            backoff=self._backoff,
            tally=self._vitals.tally,
            registry=self._registry,
            standings=self._standings,
            notices=self._notices,
        )
        sender = self._sender = Sender(wire=wire, clock=self._clock, limits=limits_of(settings.delivery))
        self._dispatcher = Dispatcher(
            sender=sender, registry=self._registry, sink=self._recorder, clock=self._clock
        )
        desk = Desk(
            instance=self._instance.id,
            registry=self._registry,
            standings=self._standings,
            slots=self._slots,
            dispatcher=self._dispatcher,
            clock=self._clock,
            due=self._due,
            tally=self._vitals.tally,
            order=self._order,
            rates=RateLimits(),
            lease=LEASE_MARGIN,
        )
        self._scheduler = Scheduler(self._sessions.claim, desk)
        self._leases = Leases(scheduler=self._scheduler, desk=desk)
        self._fanout = FanOut(looking=self._sessions.look, writing=self._sessions.fan_out, desk=desk)
        self._build_loops()

    def _build_loops(self) -> None:
        """Put together what keeps the stages going."""
        database = self._settings.database
        self._rest = Rest(
            session=self._sessions.look,
            listener=self._listener,
            poll_interval=database.poll_interval.total_seconds(),
            listen=database.listen,
        )
        self._fanning = FanOutRound(fanout=self._fanout, rest=self._rest, slots=self._slots)
        self._claiming = ClaimRound(
            scheduler=self._scheduler,
            recorder=self._recorder,
            wake=self._wake,
            stop=self._stop,
            delay=self._due.delay,
        )
        self._caretakers = Caretakers(
            settings=self._settings,
            sessions=self._sessions,
            instance=self._instance,
            backoff=self._backoff,
            standings=self._standings,
            notices=self._notices,
            alerts=self._alerts,
            order=self._order,
            scheduler=self._scheduler,
            leases=self._leases,
            note_due=self._due.note,
            wake=self._wake,
        )

    def _life(self) -> Life:
        return Life(
            stop=self._stop,
            until_idle=self._until_idle,
            drain=lambda: self._settings.delivery.drain,
            instance=self._instance,
            registry=self._registry,
            slots=self._slots,
            recorder=self._recorder,
            dispatcher=self._dispatcher,
            scheduler=self._scheduler,
            fanout=self._fanout,
            rest=self._rest,
            fanning=self._fanning,
            claiming=self._claiming,
            caretakers=self._caretakers,
            keyring=self._keyring,
            loop_lag=self._vitals.loop_lag,
            wake=self._wake,
            backoff=self._backoff,
        )

    def _served(self) -> AbstractAsyncContextManager[None]:
        """Return what serves metrics, health, panel and API while it is entered."""
        readings = self._vitals.readings(
            admin=self._sessions.admin,
            watch=self._watch,
            instance=self._instance,
            listener=self._listener,
            registry=self._registry,
            slots=self._slots,
            alerts=self._alerts,
        )
        return served(
            settings=lambda: self._settings,
            dsn=self._dsn,
            box=lambda: self._keyring.box,
            readings=readings,
            readiness=self._against_readiness,
        )

    def _read_endpoints(self) -> None:
        self._registry.read_all_again()
        self._listener.woken.set()

    def _suspect_strays(self) -> None:
        self._scheduler.suspect_strays()

    def _start_over(self) -> None:
        """Trust nothing that was in memory: another relay may have worked on the database meanwhile.

        Or its server crashed, and forgot outcomes that were recorded, though no statement of ours failed.
        """
        self._fanout.start_over()
        self._rest.forget()
        self._standings.distrust()
        self._registry.read_all_again()  # with the breakers
        self._leases.look_at_all()
        self._suspect_strays()
        self._caretakers.housekeeping.survey_soon()
        self._alerts.start_over()
        self._listener.woken.set()

    def _against_readiness(self) -> list[str]:
        checks = {
            "the database is away, or refuses what it is asked; the log says which": self._watch.is_up,
            "another relay is active, this one stands by": not self._instance.standby.is_set(),
            "the first look is not done": self._fanning.first_look.is_set()
            or self._instance.standby.is_set(),
            "it is stopping": not self._stop.is_set(),
        }
        return [reason for reason, is_fine in checks.items() if not is_fine]

    def _backoff(self, who: str) -> Backoff:
        return Backoff(self._watch, who)
