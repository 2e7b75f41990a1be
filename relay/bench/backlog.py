"""How fast a relay works off what waits for it, and what that costs."""

import time
from dataclasses import dataclass

from relay.bench.load import add_events
from relay.bench.scene import Scene
from relay.bench.usage import peak_rss_mb, usage_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What it took to make a number of deliveries.

    Attributes:
        deliveries: How many.
        seconds: From the first claim until the log had all of them.
        relay_us: CPU of the relay a delivery, in microseconds.
        postgres_us: The same of PostgreSQL, all its processes.
        sink_us: The same of the receiver.
        statements: That the relay sent, a delivery; None if nobody counted.
        rss_mb: The most memory that the relay had resident, in MB.
    """

    deliveries: int
    seconds: float
    relay_us: float
    postgres_us: float
    sink_us: float
    statements: float | None
    rss_mb: float

    @property
    def per_second(self) -> float:
        """Deliveries a second."""
        return self.deliveries / self.seconds


async def work_off(scene: Scene, events: int) -> Rate:
    """Commit the events, start the relay, and measure until all are delivered and recorded."""
    await add_events(scene.observer, events, scene.shape)
    return await start_and_work_off(scene, events)


async def start_and_work_off(scene: Scene, events: int) -> Rate:
    """Start the relay on events that are committed, and measure until all are delivered and recorded."""
    await scene.start()
    processes = scene.processes()
    await scene.has_begun()
    began, before, sent = time.monotonic(), usage_of(processes), await scene.statements()
    deliveries = events * scene.shape.fan_out
    await scene.has_recorded(deliveries)
    seconds, used, sent_after = (
        time.monotonic() - began,
        usage_of(processes).since(before),
        await scene.statements(),
    )
    return Rate(
        deliveries=deliveries,
        seconds=seconds,
        relay_us=used.relay / deliveries * 1e6,
        postgres_us=used.postgres / deliveries * 1e6,
        sink_us=used.sink / deliveries * 1e6,
        statements=None if sent is None or sent_after is None else (sent_after - sent) / deliveries,
        rss_mb=peak_rss_mb(processes.relay),
    )
