"""How soon a relay makes its first request, and what it needs until then and soon after."""

import asyncio
import time
from dataclasses import dataclass

from relay.bench.scene import Scene
from relay.bench.server_log import StatementLog
from relay.bench.usage import peak_rss_mb


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """The first seconds of a relay.

    Attributes:
        from_process: Seconds from the start of its process to the first byte of the first request.
        from_database: The same from its first statement, by the server's log.
        requests: How many it made until it was stopped.
        rss_mb: The most memory that it had until then, in MB.
        slowest_ms: The slowest of its statements.
    """

    from_process: float
    from_database: float
    requests: int
    rss_mb: float
    slowest_ms: float


async def watch_startup(scene: Scene, seconds: float) -> Startup:
    """Start the relay, watch it for so many seconds, and stop it.

    Raises:
        RunFailed: It ended, or made no request.
    """
    log = await StatementLog.begin(scene.stage.server.data_dir, scene.observer)
    epoch = time.time() - time.monotonic()
    started = time.monotonic()
    await scene.start()
    pid = scene.processes().relay
    await scene.unless_it_ends(scene.arrived(1))
    await scene.unless_it_ends(asyncio.sleep(max(started + seconds - time.monotonic(), 0)))
    rss = peak_rss_mb(pid)
    await scene.daemon.stop()
    counts, statements = await scene.stage.sink.counts(), log.statements()
    first = counts.first_ns / 1e9
    return Startup(
        from_process=first - started,
        from_database=first + epoch - min(each.began for each in statements),
        requests=counts.requests,
        rss_mb=rss,
        slowest_ms=max(each.ms for each in statements),
    )
