"""What the guard on addresses costs, and what two hundred hostile servers do to eight hundred others."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

from relay.bench.backlog import Rate
from relay.bench.latency import Latencies, commit_at_random
from relay.bench.load import Shape, event_type
from relay.bench.proof import prove
from relay.bench.scene import Scene, Scenery
from relay.bench.stage import OBSERVER
from relay.bench.steady import Load, steadily
from tests.bench.harness import Bench, median, say, sound, spread
from tests.bench.results import Check, Section, Table
from tests.support.hostile import hostile_process

NAME = "strangers"
UNGUARDED = ("-m", "tests.bench.unguarded")
EVENTS = 100_000
IN_FLIGHT = 1000
LEAST_SHARE = 0.9
ENDPOINTS, HOSTILE = 1000, 200
WELL = ENDPOINTS - HOSTILE
RATE, HOSTILE_RATE = 500.0, 200.0
A_TRANSACTION = 5
SETTLING = 10.0
SECONDS = 60.0
MOST_RATIO, MOST_MORE_MS = 2, 5
HOW = """\
Deliveries/s and CPU as in the first table, with {events} events, once as it is and once with the guard on addresses
taken out, in turn. Then {rate:.0f} events/s of 1 KB are committed one by one at random gaps for {well} endpoints that
are well, first alone, then beside {hostile_rate:.0f} events/s for {hostile} endpoints whose servers mean harm: silence,
drips, endless headers, bodies and interim responses, compressed bombs, broken framing, resets, and others
(tests/support/hostile.py). Limits are the defaults. Latency is that of the endpoints that are well, of what was
committed in {seconds:.0f} s after {settling:.0f} s, from just before the COMMIT to the request's first byte. The
servers share the two cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Latency of those that are well, in milliseconds, and how many samples it is of."""

    p50: float
    p99: float
    most: float
    samples: int


async def measure(bench: Bench) -> Section:
    """Measure both in pairs."""
    events = bench.events(EVENTS)
    rounds = await bench.interleaved(
        partial(bench.rate, Scenery(in_flight=IN_FLIGHT), events),
        partial(bench.rate, Scenery(in_flight=IN_FLIGHT, program=UNGUARDED), events),
    )
    pairs = await bench.interleaved(
        partial(_latency, bench, has_hostile=False), partial(_latency, bench, has_hostile=True)
    )
    guarded, unguarded = zip(*rounds, strict=True)
    alone, beside = zip(*pairs, strict=True)
    return Section(
        title="Strangers",
        how=HOW.format(
            events=events,
            rate=RATE,
            well=WELL,
            hostile=HOSTILE,
            hostile_rate=HOSTILE_RATE,
            seconds=_seconds(bench),
            settling=SETTLING,
        ),
        checks=_checks(guarded, unguarded, alone, beside),
        tables=(_rates(guarded, unguarded), _latencies(alone, beside)),
        raw={
            "guarded": [asdict(each) for each in guarded],
            "unguarded": [asdict(each) for each in unguarded],
            "alone": [asdict(each) for each in alone],
            "beside": [asdict(each) for each in beside],
        },
    )


def _seconds(bench: Bench) -> float:
    return 10.0 if bench.is_quick else SECONDS


async def _latency(bench: Bench, *, has_hostile: bool) -> Found:
    async with hostile_process() as by_kind:
        ports = list(by_kind.values())
        scenery = Scenery(
            shape=Shape(endpoints=ENDPOINTS),
            in_flight=2000,
            settings={"DELIVERY__DRAIN": "1s"},
            url=lambda number: (
                bench.stage.sink.url(number)
                if number < WELL
                else f"http://127.0.0.1:{ports[number % len(ports)]}/{number}"
            ),
        )
        async with bench.scene(scenery) as scene:
            await scene.start()
            if not has_hostile:
                return await _sample(scene, bench)
            load = Load(
                dsn=scene.dsn,
                user=OBSERVER,
                rate=HOSTILE_RATE,
                a_transaction=A_TRANSACTION,
                types=[event_type(number, scene.shape) for number in range(WELL, ENDPOINTS)],
            )
            async with steadily(load) as running:
                found = await _sample(scene, bench)
                await running.stop()
            return found


async def _sample(scene: Scene, bench: Bench) -> Found:
    began = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    commits = await scene.unless_it_ends(
        commit_at_random(
            scene,
            count=round((SETTLING + _seconds(bench)) * RATE),
            rate=RATE,
            types=[event_type(number, scene.shape) for number in range(WELL)],
        )
    )
    await scene.delivered(len(commits.at))
    sound(await prove(scene, len(commits.at)))
    sampled = commits.since(began + round(SETTLING * 1e9))
    latencies = sampled.latencies(await scene.stage.sink.receipts()).sorted_ms
    every = Latencies(sorted_ms=(*latencies, *[math.inf] * (len(sampled.at) - len(latencies))))
    found = Found(p50=every.p50, p99=every.p99, most=every.most, samples=len(every.sorted_ms))
    say(f"  {found}")
    return found


def _checks(
    guarded: Sequence[Rate], unguarded: Sequence[Rate], alone: Sequence[Found], beside: Sequence[Found]
) -> tuple[Check, ...]:
    share = median([a.per_second / b.per_second for a, b in zip(guarded, unguarded, strict=True)])
    excess = median(
        [b.p99 / max(MOST_RATIO * a.p99, a.p99 + MOST_MORE_MS) for a, b in zip(alone, beside, strict=True)]
    )
    p99 = [median([each.p99 for each in runs]) for runs in (alone, beside)]
    return (
        Check(
            promise=f"at least {LEAST_SHARE:.0%} of the deliveries/s without the guard",
            found=f"{share:.0%}",
            holds=share >= LEAST_SHARE,
        ),
        Check(
            promise=f"beside {HOSTILE} hostile servers: latency p99 of the others at most {MOST_RATIO} x that without,"
            f" or {MOST_MORE_MS} ms more",
            found=f"{p99[1]:.1f} ms, {p99[0]:.1f} ms without; {excess:.2f} of the limit",
            holds=excess <= 1,
        ),
    )


def _rates(guarded: Sequence[Rate], unguarded: Sequence[Rate]) -> Table:
    return Table(
        heads=["", "deliveries/s", "least-most", "relay us"],
        rows=[
            [
                name,
                f"{median([each.per_second for each in runs]):.0f}",
                spread([each.per_second for each in runs]),
                f"{median([each.relay_us for each in runs]):.1f}",
            ]
            for name, runs in (("as it is", guarded), ("without the guard", unguarded))
        ],
    )


def _latencies(alone: Sequence[Found], beside: Sequence[Found]) -> Table:
    return Table(
        heads=["", "samples", "p50, ms", "p99, ms", "longest, ms"],
        rows=[
            [
                name,
                str(sum(each.samples for each in runs)),
                f"{median([each.p50 for each in runs]):.2f}",
                f"{median([each.p99 for each in runs]):.2f}",
                f"{max(each.most for each in runs):.1f}",
            ]
            for name, runs in (("no hostile server", alone), (f"{HOSTILE} hostile servers", beside))
        ],
    )
