"""What a delivery costs with few and with many in flight, for small and large payloads, and for wide fan-outs."""

from dataclasses import asdict
from functools import partial

from relay.bench.backlog import Rate
from relay.bench.load import shape_for
from relay.bench.scene import Scenery
from tests.bench.harness import Bench, median, spread
from tests.bench.results import Check, Section, Table

NAME = "in-flight"
EVENTS = 50_000
SWEEP = (64, 250, 1000, 2000, 10_000)
FEW, MANY, MOST_RATIO = 64, 2000, 1.3
FAN_OUTS = (1, 3, 10)
PAYLOADS = (200, 1024, 20_480)
HOW = """\
As above, with {events} deliveries and other numbers in flight (as many endpoints as that takes at the default cap of
100), payloads and fan-outs. Each round runs all of them, one after the other; the ratio of two is the median of the
rounds' ratios."""


async def measure(bench: Bench) -> Section:
    """Sweep one thing at a time."""
    deliveries = bench.events(EVENTS)
    cases = {
        **{f"{each} in flight": _scenery(in_flight=each) for each in SWEEP},
        **{f"fan-out {each}": _scenery(fan_out=each) for each in FAN_OUTS[1:]},
        **{f"{each} bytes": _scenery(payload=each) for each in PAYLOADS if each != 1024},
    }
    rounds = await bench.interleaved(
        *(partial(bench.rate, each, deliveries // each.shape.fan_out) for each in cases.values())
    )
    found = dict(zip(cases, zip(*rounds, strict=True), strict=True))
    few, many = found[f"{FEW} in flight"], found[f"{MANY} in flight"]
    ratio = median([b.relay_us / a.relay_us for a, b in zip(few, many, strict=True)])
    wide, narrow = found[f"fan-out {FAN_OUTS[-1]}"], found["1000 in flight"]
    width = median([a.per_second / b.per_second for a, b in zip(wide, narrow, strict=True)])
    return Section(
        title="In flight, fan-out, payload",
        how=HOW.format(events=deliveries),
        checks=(
            Check(
                promise=f"relay CPU a delivery at {MANY} in flight at most {MOST_RATIO} x that at {FEW}",
                found=f"{ratio:.2f} x",
                holds=ratio <= MOST_RATIO,
            ),
            Check(
                promise=f"fan-out {FAN_OUTS[-1]}: at least the deliveries/s of fan-out 1",
                found=f"{width:.2f} x",
                holds=width >= 1,
            ),
        ),
        tables=(Table(heads=HEADS, rows=[_row(name, rates) for name, rates in found.items()]),),
        raw={name: [asdict(each) for each in rates] for name, rates in found.items()},
    )


HEADS = [
    "",
    "deliveries/s",
    "least-most",
    "relay us",
    "PostgreSQL us",
    "receiver us",
    "statements a delivery",
    "peak RSS, MB",
]


def _scenery(*, in_flight: int = 1000, fan_out: int = 1, payload: int = 1024) -> Scenery:
    return Scenery(
        shape=shape_for(fan_out=fan_out, in_flight=in_flight, payload=payload), in_flight=in_flight
    )


def _row(name: str, rates: tuple[Rate, ...]) -> list[str]:
    speeds = [each.per_second for each in rates]
    statements = [each.statements for each in rates if each.statements is not None]
    return [
        name,
        f"{median(speeds):.0f}",
        spread(speeds),
        f"{median([each.relay_us for each in rates]):.1f}",
        f"{median([each.postgres_us for each in rates]):.1f}",
        f"{median([each.sink_us for each in rates]):.1f}",
        f"{median(statements):.4f}" if statements else "-",
        f"{median([each.rss_mb for each in rates]):.0f}",
    ]
