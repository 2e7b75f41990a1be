"""`relay bench` from its start to its end: a backlog, then single events, then the proof."""

from dataclasses import dataclass
from pathlib import Path

from relay.bench.backlog import Rate, work_off
from relay.bench.latency import Commits, Latencies, commit_at_random
from relay.bench.load import Shape
from relay.bench.proof import prove
from relay.bench.scene import Scene, Scenery, set_scene
from relay.bench.stage import set_stage

SAMPLES = 1000
SAMPLES_A_SECOND = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Of the latency, in milliseconds."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `relay bench` found; CPU is in microseconds a delivery, at full load.

    Attributes:
        deliveries: How many were made at full load.
        seconds: How long that took.
        deliveries_per_second: From the first claim until all were in the log.
        relay_cpu_us_per_delivery: Of the daemon.
        postgres_cpu_us_per_delivery: Of all of PostgreSQL's processes.
        sink_cpu_us_per_delivery: Of the receiver, which has the same machine.
        statements_per_delivery: That the relay sent; None without pg_stat_statements.
        latency_ms: From a COMMIT to the request's first byte, of single events at random moments.
        rss_mb: The most memory that the daemon had.
        lost: Deliveries that did not come.
        duplicates: Requests that came once more.
        signatures_checked: One request in a hundred.
        signatures_wrong: Of these; anything but 0 is a defect.
    """

    deliveries: int
    seconds: float
    deliveries_per_second: float
    relay_cpu_us_per_delivery: float
    postgres_cpu_us_per_delivery: float
    sink_cpu_us_per_delivery: float
    statements_per_delivery: float | None
    latency_ms: Percentiles
    rss_mb: float
    lost: int
    duplicates: int
    signatures_checked: int
    signatures_wrong: int

    @property
    def is_sound(self) -> bool:
        """Whether everything came once, as it should be."""
        return self.lost == self.duplicates == self.signatures_wrong == 0


async def bench(*, events: int, shape: Shape, in_flight: int, bindir: Path | None = None) -> Report:
    """Measure a relay on this machine; call it in the main thread.

    Args:
        events: How many to commit for the backlog.
        shape: What is delivered to whom.
        in_flight: The relay's `max_in_flight`.
        bindir: The folder of PostgreSQL's programs; None: those that Relay chooses.

    Raises:
        EmbeddedError: PostgreSQL cannot be started.
        SinkError: The sink does not work.
        RunFailed: The relay ended, or stands still.
    """
    async with (
        set_stage(bindir=bindir) as stage,
        set_scene(stage, Scenery(shape=shape, in_flight=in_flight)) as scene,
    ):
        rate = await work_off(scene, events)
        samples = min(SAMPLES, events)
        commits = await commit_at_random(scene, count=samples, rate=SAMPLES_A_SECOND)
        expected = (events + samples) * shape.fan_out
        await scene.has_recorded(expected)
        return await _report(scene, rate, commits, expected)


async def _report(scene: Scene, rate: Rate, commits: Commits, expected: int) -> Report:
    proof = await prove(scene, expected)
    return Report(
        deliveries=rate.deliveries,
        seconds=round(rate.seconds, 2),
        deliveries_per_second=round(rate.per_second),
        relay_cpu_us_per_delivery=round(rate.relay_us, 1),
        postgres_cpu_us_per_delivery=round(rate.postgres_us, 1),
        sink_cpu_us_per_delivery=round(rate.sink_us, 1),
        statements_per_delivery=None if rate.statements is None else round(rate.statements, 4),
        latency_ms=_percentiles(commits.latencies(await scene.stage.sink.receipts())),
        rss_mb=round(rate.rss_mb, 1),
        lost=proof.lost,
        duplicates=proof.duplicates,
        signatures_checked=proof.checked,
        signatures_wrong=proof.wrong,
    )


def _percentiles(latencies: Latencies) -> Percentiles:
    return Percentiles(p50=round(latencies.p50, 2), p99=round(latencies.p99, 2))
