"""What endpoints that never answer do to the others."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

from relay.bench.latency import Latencies, commit_at_random
from relay.bench.load import Shape, event_type
from relay.bench.proof import prove
from relay.bench.scene import Scene, Scenery
from relay.bench.stage import OBSERVER
from relay.bench.steady import Load, steadily
from tests.bench.harness import Bench, median, say, sound
from tests.bench.results import Check, Section, Table

NAME = "neighbours"
WELL = 20
DEAD = (1, 50)
RATE = 500.0
A_TRANSACTION = 5
SETTLING, SETTLING_ALONE, SETTLING_QUICK = 40.0, 5.0, 10.0
SECONDS, SECONDS_QUICK = 20.0, 10.0
PATIENCE = 60.0
MOST_RATIO, MOST_MORE_MS = 2, 5
HOW = """\
{rate:.0f} events/s of 1 KB are committed one by one at random gaps for {well} endpoints that are well, {each:.0f} a
second for each. Then the same beside as many events again, half of all, for one endpoint that takes connections and
requests and never answers, and then for fifty such endpoints together; those events come from a process of its own, in
transactions of {a_transaction}. Limits are the defaults: a time-out of 30 s, 100 in flight for an endpoint, 2000 in
all. Samples are what was committed in {seconds:.0f} s, after {settling:.0f} s with the dead ones ({alone:.0f} s without
any), so that they have taken all that they can get. Latency is that of the endpoints that are well, from just before
the COMMIT to the request's first byte; what has not come {patience:.0f} s after the last commit counts as infinitely
late. The limit of a round is twice the p99 without dead ones of the same round, or {more} ms more than that, whichever
is more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one run came to.

    Attributes:
        p50: Milliseconds, as the other two.
        samples: How many.
        missing: Of these, did not come in time.
        dead: Events that were committed for dead endpoints, a second.
    """

    p50: float
    p99: float
    most: float
    samples: int
    missing: int
    dead: float


async def measure(bench: Bench) -> Section:
    """Measure without and with dead endpoints, in turn."""
    counts = (0, *DEAD)
    rounds = await bench.interleaved(*(partial(_beside, bench, each) for each in counts))
    return Section(
        title="Neighbours of dead endpoints",
        how=HOW.format(
            rate=RATE,
            well=WELL,
            each=RATE / WELL,
            a_transaction=A_TRANSACTION,
            seconds=SECONDS_QUICK if bench.is_quick else SECONDS,
            settling=_settling(bench, 1),
            alone=_settling(bench, 0),
            patience=PATIENCE,
            more=MOST_MORE_MS,
        ),
        checks=[_check(place, rounds) for place in range(1, len(counts))],
        tables=(Table(heads=HEADS, rows=[_row(place, rounds) for place in range(len(counts))]),),
        raw={_title(dead): [asdict(each[place]) for each in rounds] for place, dead in enumerate(counts)},
    )


async def _beside(bench: Bench, dead: int) -> Found:
    """Measure the others' latency beside so many dead endpoints."""
    async with bench.scene(_scenery(bench, dead)) as scene:
        await scene.start()
        if not dead:
            latencies, per_second = await _sample(scene, bench, dead), 0.0
        else:
            load = Load(
                dsn=scene.dsn,
                user=OBSERVER,
                rate=RATE,
                a_transaction=A_TRANSACTION,
                types=[event_type(WELL + number, scene.shape) for number in range(dead)],
            )
            async with steadily(load) as running:
                latencies = await _sample(scene, bench, dead)
                per_second = (await running.stop()).per_second
        found = Found(
            p50=latencies.p50,
            p99=latencies.p99,
            most=latencies.most,
            samples=len(latencies.sorted_ms),
            missing=latencies.sorted_ms.count(math.inf),
            dead=per_second,
        )
        say(f"  {_title(dead)}: {found}")
        return found


def _scenery(bench: Bench, dead: int) -> Scenery:
    sink = bench.stage.sink
    return Scenery(
        shape=Shape(endpoints=WELL + dead),
        in_flight=2000,
        settings={
            "DELIVERY__DRAIN": "1s"
        },  # the dead ones would take the end of each run as long as they may
        url=lambda number: sink.url(number) if number < WELL else sink.url(number, "never"),
    )


async def _sample(scene: Scene, bench: Bench, dead: int) -> Latencies:
    """Commit for those that are well, and return the latencies of what was committed after the settling."""
    settling = _settling(bench, dead)
    seconds = SECONDS_QUICK if bench.is_quick else SECONDS
    began = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    commits = await scene.unless_it_ends(
        commit_at_random(
            scene,
            count=round((settling + seconds) * RATE),
            rate=RATE,
            types=[event_type(number, scene.shape) for number in range(WELL)],
        )
    )
    await _prove(scene, len(commits.at))
    sampled = commits.since(began + round(settling * 1e9))
    latencies = sampled.latencies(await scene.stage.sink.receipts()).sorted_ms
    missing = len(sampled.at) - len(latencies)
    return Latencies(sorted_ms=(*latencies, *[math.inf] * missing))


async def _prove(scene: Scene, deliveries: int) -> None:
    """Prove that all came as they should, but for those that are late: they count as such."""
    is_late = False
    try:
        async with asyncio.timeout(PATIENCE):
            await scene.delivered(deliveries)
    except TimeoutError:
        is_late = True
    proof = await prove(scene, deliveries)
    sound(replace(proof, lost=0) if is_late else proof)


def _settling(bench: Bench, dead: int) -> float:
    if not dead:
        return SETTLING_ALONE
    return SETTLING_QUICK if bench.is_quick else SETTLING


def _check(place: int, rounds: Sequence[tuple[Found, ...]]) -> Check:
    alone, found = (median([each[which].p99 for each in rounds]) for which in (0, place))
    excess = median([each[place].p99 / _limit(each[0].p99) for each in rounds])
    return Check(
        promise=f"beside {_title(DEAD[place - 1])}: latency p99 of the others at most {MOST_RATIO} x that without, or"
        f" {MOST_MORE_MS} ms more",
        found=f"{found:.1f} ms, {alone:.1f} ms without; {excess:.2f} of the limit",
        holds=excess <= 1,
    )


def _limit(alone_ms: float) -> float:
    return max(MOST_RATIO * alone_ms, alone_ms + MOST_MORE_MS)


HEADS = ["", "samples", "not in time", "p50, ms", "p99, ms", "longest, ms", "events/s for dead ones"]


def _row(place: int, rounds: list[tuple[Found, ...]]) -> list[str]:
    found = [each[place] for each in rounds]
    return [
        _title((0, *DEAD)[place]),
        str(sum(each.samples for each in found)),
        str(sum(each.missing for each in found)),
        f"{median([each.p50 for each in found]):.2f}",
        f"{median([each.p99 for each in found]):.2f}",
        f"{max(each.most for each in found):.1f}",
        f"{median([each.dead for each in found]):.0f}",
    ]


def _title(dead: int) -> str:
    return {0: "no dead endpoint", 1: "one dead endpoint"}.get(dead, f"{dead} dead endpoints")
