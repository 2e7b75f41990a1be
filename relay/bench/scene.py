"""One relay on one fresh database, watched from outside."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from operator import attrgetter
from typing import TypeVar

from relay.bench import statements
from relay.bench.load import Connection, Shape, add_endpoints
from relay.bench.sink import Counts
from relay.bench.stage import SUBJECT, Stage
from relay.bench.usage import Processes
from relay.demo.daemon import LOOPBACK, Daemon
from relay.demo.places import reserved_port

HEALTH_PORT = 9420
LOOK_EVERY = 0.02
STANDSTILL = 60.0
"""Seconds without a request after which a run is given up."""

T = TypeVar("T")
_numbers = count(1)


class RunFailed(Exception):  # noqa: N818 - it says what happened
    """The run has no figures; the message says why, with the end of the relay's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A database that was filled once, to be copied.

    Attributes:
        database: Its name.
        secrets: Of its endpoints, by their number.
    """

    database: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenery:
    """How a relay is set up.

    Attributes:
        shape: What is delivered to whom.
        in_flight: Its `max_in_flight`.
        settings: Others, as in the environment but without `RELAY_`.
        url: The URL of an endpoint; None: the sink's, which answers at once.
        template: What its database is a copy of, endpoints of this shape included; None: an empty one.
        program: What Python runs as the relay.
    """

    shape: Shape = field(default_factory=Shape)
    in_flight: int = 1000
    settings: Mapping[str, str] = field(default_factory=dict)
    url: Callable[[int], str] | None = None
    template: Template | None = None
    program: Sequence[str] = ("-m", "relay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A database with endpoints, and a relay that may be started on it.

    Attributes:
        stage: The server and the sink.
        dsn: The database.
        observer: A connection of whoever measures.
        observer_pid: The process that serves it.
        secrets: Of the endpoints, by their number.
        daemon: The relay.
        port: For its health endpoints.
        shape: What is delivered to whom.
        old: The last event that was there before; what it and its like make is not counted.
    """

    stage: Stage
    dsn: str
    observer: Connection
    observer_pid: int
    secrets: tuple[str, ...]
    daemon: Daemon
    port: int
    shape: Shape
    old: int = 0

    async def start(self) -> None:
        """Start the relay."""
        await self.daemon.start(dsn=self.dsn, port=self.port)

    def processes(self, *not_counted: int) -> Processes:
        """Return whose CPU is counted, but for these backends and the observer's own."""
        if self.daemon.pid is None:
            raise RunFailed("the relay was not started")
        return Processes(
            relay=self.daemon.pid,
            postmaster=self.stage.server.pid,
            sink=self.stage.sink.pid,
            not_counted=frozenset({self.observer_pid, *not_counted}),
        )

    async def statements(self) -> int | None:
        """Return how many statements the relay has sent; None if nobody counts them."""
        return await statements.count(self.observer, SUBJECT) if self.stage.counts_statements else None

    async def has_begun(self) -> None:
        """Wait until the first delivery is claimed."""
        begun = (
            "select exists (select from relay.delivery where event_seq > $1)"
            " or exists (select from relay.attempt where event_seq > $1)"
        )
        await self.unless_it_ends(self._until(lambda: self.observer.fetchval(begun, self.old), every=0.001))

    async def sleeps(self) -> None:
        """Wait until the relay has nothing to do and wants to be notified."""
        armed = "select last_value > extract(epoch from clock_timestamp()) from relay.armed_until"
        await self.unless_it_ends(self._until(lambda: self.observer.fetchval(armed), every=0.01))

    async def has_recorded(self, attempts: int) -> None:
        """Wait until the log has so many attempts; the database is asked only once the sink has got them."""
        await self.unless_it_ends(self._record(attempts))

    async def unless_it_ends(self, work: Awaitable[T]) -> T:
        """Return what comes of `work`.

        Raises:
            RunFailed: The relay ended before.
        """
        working = asyncio.ensure_future(work)
        ending = asyncio.create_task(self.daemon.ended())
        try:
            await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise RunFailed(ending.result())
            return working.result()
        finally:
            for task in (working, ending):
                task.cancel()

    async def _record(self, attempts: int) -> None:
        await self.arrived(attempts)
        counted = "select count(*) >= $1 from relay.attempt where event_seq > $2"
        await self._until(lambda: self.observer.fetchval(counted, attempts, self.old), every=0.005)

    async def arrived(self, requests: int) -> None:
        """Wait until the sink has got so many requests.

        Raises:
            RunFailed: None came for a minute.
        """
        await self._counted(attrgetter("requests"), requests)

    async def delivered(self, deliveries: int) -> None:
        """Wait until the sink has taken so many; unlike requests, these do not count what it leaves unanswered.

        Raises:
            RunFailed: None came for a minute, or the relay ended.
        """
        await self.unless_it_ends(self._counted(attrgetter("distinct"), deliveries))

    async def _counted(self, which: Callable[[Counts], int], wanted: int) -> None:
        seen, quiet = -1, 0.0
        while (got := which(await self.stage.sink.counts())) < wanted:
            quiet = 0.0 if got != seen else quiet + LOOK_EVERY
            if quiet > STANDSTILL:
                raise RunFailed(
                    f"{got} of {wanted} requests came, and none for {STANDSTILL:.0f} s;"
                    f" the end of the relay's log:\n{self.daemon.tail()}"
                )
            seen = got
            await asyncio.sleep(LOOK_EVERY)

    async def _until(self, ask: Callable[[], Awaitable[bool]], *, every: float) -> None:
        deadline = time.monotonic() + STANDSTILL
        while not await ask():
            if time.monotonic() > deadline:
                raise RunFailed(
                    f"no progress for {STANDSTILL:.0f} s; the end of the relay's log:\n{self.daemon.tail()}"
                )
            await asyncio.sleep(every)


@asynccontextmanager
async def set_scene(stage: Stage, scenery: Scenery) -> AsyncIterator[Scene]:
    """Make a database with its endpoints; at the end the relay stops, and the database goes."""
    number = next(_numbers)
    await stage.sink.reset()
    template = scenery.template
    async with (
        stage.database(f"bench_{number}", template.database if template else None) as dsn,
        stage.observer(dsn) as observer,
    ):
        secrets = template.secrets if template else await _add_endpoints(stage, dsn, scenery)
        with reserved_port(HEALTH_PORT) as port:
            scene = Scene(
                stage=stage,
                dsn=dsn,
                observer=observer,
                observer_pid=observer.get_server_pid(),
                secrets=secrets,
                daemon=Daemon(stage.folder / f"relay-{number}.log", _settings(scenery), scenery.program),
                port=port,
                shape=scenery.shape,
                old=await observer.fetchval("select coalesce(max(seq), 0) from relay.outbox"),
            )
            try:
                yield scene
            finally:
                await scene.daemon.stop()


@asynccontextmanager
async def make_template(
    stage: Stage, scenery: Scenery, fill: Callable[[str, Connection], Awaitable[None]]
) -> AsyncIterator[Template]:
    """Make a database with its endpoints, let `fill` put the rest into it, and drop it at the end."""
    async with stage.database(f"bench_{next(_numbers)}") as dsn:
        async with stage.observer(dsn) as observer:
            secrets = await _add_endpoints(stage, dsn, scenery)
            await fill(dsn, observer)
            await observer.execute("vacuum (freeze, analyze)")
            await observer.execute("checkpoint")
            database = await observer.fetchval("select current_database()")
        yield Template(database=database, secrets=secrets)


async def _add_endpoints(stage: Stage, dsn: str, scenery: Scenery) -> tuple[str, ...]:
    return await add_endpoints(dsn, scenery.shape, scenery.url or stage.sink.url)


def _settings(scenery: Scenery) -> dict[str, str]:
    """Return the defaults of the relay but for what a loopback needs, and the log as JSON."""
    return {
        "SECURITY__ALLOW_HTTP": "true",
        "SECURITY__ALLOW_CIDRS": LOOPBACK,
        "LOG__FORMAT": "json",
        "DELIVERY__MAX_IN_FLIGHT": str(scenery.in_flight),
        **scenery.settings,
    }
