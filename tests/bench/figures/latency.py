"""How long it takes from an application's COMMIT to the first byte of the request, at rest and under load."""

import asyncio
import time
from dataclasses import asdict, dataclass
from functools import partial

from relay.bench.backlog import work_off
from relay.bench.latency import Commits, Latencies, commit_at_random
from relay.bench.load import event_types
from relay.bench.proof import prove
from relay.bench.scene import Scene, Scenery
from relay.bench.stage import OBSERVER
from relay.bench.steady import Done, Load, steadily
from tests.bench.harness import Bench, median, say, sound, spread
from tests.bench.results import Check, Section, Table

NAME = "latency"
WARM_UP = 2000
SATURATION = 100_000
IN_FLIGHT = 1000
A_TRANSACTION = 10
SETTLING = 3.0
LEAST_LOAD = 0.95
HOW = """\
Single events of 1 KB are committed at random gaps, one a transaction; the clock runs from just before the COMMIT is
sent until the first byte of the request is read by the receiver, on one machine and one clock, so the COMMIT itself
(`fsync = on`) is in it. {idle.samples} of them at {idle.rate:g} a second, so that the relay sleeps in between and is
woken by NOTIFY; {moderate.samples} at {moderate.rate:g} a second; and {half.samples} at {half.rate:g} a second beside a
load of half the deliveries/s that the same relay reached immediately before, with {saturation} events waiting and
{in_flight} in flight. That load comes in transactions of {a_transaction} at even gaps from a process of its own; its
CPU and that of whoever commits the samples stand in the table, since they have the same two cores. Percentiles are
medians of the rounds' percentiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Under what conditions, and what is promised for them in milliseconds."""

    title: str
    rate: float
    samples: int
    most_p50: float | None = None
    most_p99: float


IDLE = Case(title="idle", rate=30, samples=1000, most_p50=3, most_p99=12)
MODERATE = Case(title="500 events/s", rate=500, samples=5000, most_p50=3, most_p99=15)
HALF = Case(title="half of saturation", rate=100, samples=2000, most_p99=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one run came to.

    Attributes:
        p50: Milliseconds, as the other two.
        commit_p50: Milliseconds that the COMMIT alone took.
        commit_p99: The same.
        sampler: The part of a core that it took to commit the samples.
        wanted: Events a second of the load beside them, 0 without one.
        reached: What was committed of it.
        load: The part of a core that this took.
    """

    p50: float
    p99: float
    most: float
    commit_p50: float
    commit_p99: float
    sampler: float
    wanted: float = 0.0
    reached: float = 0.0
    load: float = 0.0


async def measure(bench: Bench) -> Section:
    """Measure all of them in turn."""
    rounds = await bench.interleaved(
        partial(_alone, bench, IDLE), partial(_alone, bench, MODERATE), partial(_beside_half, bench)
    )
    cases = (IDLE, MODERATE, HALF)
    found = dict(zip(cases, zip(*rounds, strict=True), strict=True))
    return Section(
        title="Latency",
        how=HOW.format(
            idle=IDLE,
            moderate=MODERATE,
            half=HALF,
            saturation=bench.events(SATURATION),
            in_flight=IN_FLIGHT,
            a_transaction=A_TRANSACTION,
        ),
        checks=[check for case, runs in found.items() for check in _checks(case, runs)],
        tables=(Table(heads=HEADS, rows=[_row(case, runs) for case, runs in found.items()]),),
        raw={case.title: [asdict(each) for each in runs] for case, runs in found.items()},
    )


async def _alone(bench: Bench, case: Case) -> Found:
    async with bench.scene(Scenery(in_flight=IN_FLIGHT)) as scene:
        await work_off(scene, WARM_UP)
        commits, sampler = await _sample(scene, case)
        return await _found(scene, case, commits, sampler)


async def _beside_half(bench: Bench) -> Found:
    """Measure saturation, and then beside half of it."""
    scenery = Scenery(in_flight=IN_FLIGHT)
    wanted = (await bench.rate(scenery, bench.events(SATURATION))).per_second / 2
    async with bench.scene(scenery) as scene:
        await work_off(scene, WARM_UP)
        load = Load(
            dsn=scene.dsn,
            user=OBSERVER,
            rate=wanted,
            a_transaction=A_TRANSACTION,
            types=event_types(scenery.shape),
        )
        async with steadily(load) as running:
            await asyncio.sleep(SETTLING)
            commits, sampler = await scene.unless_it_ends(_sample(scene, HALF))
            done = await running.stop()
        return await _found(scene, HALF, commits, sampler, wanted=wanted, done=done)


async def _sample(scene: Scene, case: Case) -> tuple[Commits, float]:
    """Commit the samples; returns them, and the part of a core that this process took."""
    began, cpu = time.monotonic(), time.process_time()
    commits = await commit_at_random(scene, count=case.samples, rate=case.rate)
    return commits, (time.process_time() - cpu) / (time.monotonic() - began)


async def _found(
    scene: Scene,
    case: Case,
    commits: Commits,
    sampler: float,
    *,
    wanted: float = 0.0,
    done: Done | None = None,
) -> Found:
    expected = WARM_UP + case.samples + (done.events if done else 0)
    await scene.has_recorded(expected)
    sound(await prove(scene, expected))
    latencies = commits.latencies(await scene.stage.sink.receipts())
    alone = Latencies(sorted_ms=tuple(sorted(commits.took)))
    found = Found(
        p50=latencies.p50,
        p99=latencies.p99,
        most=latencies.most,
        commit_p50=alone.p50,
        commit_p99=alone.p99,
        sampler=sampler,
        wanted=wanted,
        reached=done.per_second if done else 0.0,
        load=done.cores if done else 0.0,
    )
    say(
        f"  {case.title}: p50 {found.p50:.2f} ms, p99 {found.p99:.2f} ms, longest {found.most:.1f} ms;"
        f" the COMMIT alone {found.commit_p50:.2f} and {found.commit_p99:.2f} ms;"
        f" beside {found.reached:.0f} of {wanted:.0f} events/s"
    )
    return found


def _checks(case: Case, runs: tuple[Found, ...]) -> list[Check]:
    p99 = median([each.p99 for each in runs])
    has_load = all(each.reached >= LEAST_LOAD * each.wanted for each in runs)
    checks = [
        Check(
            promise=f"latency, {case.title}: p99 at most {case.most_p99:g} ms",
            found=f"{p99:.2f} ms" if has_load else f"{p99:.2f} ms, but the load fell behind",
            holds=p99 <= case.most_p99 and has_load,
        )
    ]
    if case.most_p50 is not None:
        p50 = median([each.p50 for each in runs])
        promise = f"latency, {case.title}: p50 at most {case.most_p50:g} ms"
        checks.insert(0, Check(promise=promise, found=f"{p50:.2f} ms", holds=p50 <= case.most_p50))
    return checks


HEADS = [
    "",
    "samples",
    "p50, ms",
    "p99, ms",
    "p99, least-most",
    "longest, ms",
    "COMMIT alone p50",
    "p99",
    "load beside, events/s",
    "its CPU, % of a core",
    "CPU of the samples",
]


def _row(case: Case, runs: tuple[Found, ...]) -> list[str]:
    p99 = [each.p99 for each in runs]
    load = median([each.reached for each in runs])
    return [
        case.title,
        str(case.samples),
        f"{median([each.p50 for each in runs]):.2f}",
        f"{median(p99):.2f}",
        spread(p99),
        f"{max(each.most for each in runs):.1f}",
        f"{median([each.commit_p50 for each in runs]):.2f}",
        f"{median([each.commit_p99 for each in runs]):.2f}",
        f"{load:.0f}" if load else "-",
        f"{median([each.load for each in runs]) * 100:.0f}" if load else "-",
        f"{median([each.sampler for each in runs]) * 100:.0f}",
    ]
