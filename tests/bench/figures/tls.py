"""What TLS costs a delivery."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from relay.bench.backlog import Rate, work_off
from relay.bench.load import Shape
from relay.bench.proof import prove
from relay.bench.receipts import reused_share
from relay.bench.scene import Scenery
from relay.bench.sink import ADDRESSES, Sink, has_openssl
from tests.bench.harness import Bench, median, say, sound, spread
from tests.bench.results import Check, Section, Table
from tests.support.certificates import make_certificate

NAME = "tls"
EVENTS = 200_000
A_CONNECTION = 200
"""Deliveries for each of the connections that may be opened; with fewer their beginning would be measured."""
SHAPE = Shape(endpoints=20)
LEAST_REUSED = 0.99
PROMISE = f"TLS: at least {LEAST_REUSED:.0%} of requests on a connection that is there already"
HOW = """\
{events} events of 1 KB wait for one relay with {in_flight} requests in flight, at most {cap} of them to each of its
{endpoints} endpoints, once in the clear and once with TLS 1.3, in turn; a ratio is the median of the pairs' ratios. The
receiver's certificate has an ECDSA key (P-256) and is verified against `security.ca_bundle`; handshakes are full ones.
The receiver writes down of every request whether its connection had carried another one before. The first of each had
not: if as many connections are opened as requests may be in flight, {most:.2%} is what comes out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one run came to: the rate and its cost, and the part of requests on connections that were there already."""

    rate: Rate
    reused: float


async def measure(bench: Bench) -> Section:
    """Measure in the clear and with TLS, in turn."""
    compiler = shutil.which("cc")
    if compiler is None or not await has_openssl(compiler):
        return _not_measured("a C compiler and OpenSSL's headers are missing: apt-get install gcc libssl-dev")
    events = bench.events(EVENTS)
    in_flight = events // A_CONNECTION
    settings = {"DELIVERY__MAX_IN_FLIGHT_PER_ENDPOINT": str(in_flight // SHAPE.endpoints)}
    with TemporaryDirectory() as name:
        folder = Path(name)
        certificate = make_certificate(folder, [f"127.0.0.{number + 1}" for number in range(ADDRESSES)])
        async with Sink(folder, compiler=compiler, certificate=certificate) as sink:
            secure = replace(bench, stage=replace(bench.stage, sink=sink))
            clear = Scenery(shape=SHAPE, in_flight=in_flight, settings=settings)
            trusting = replace(clear, settings={**settings, "SECURITY__CA_BUNDLE": str(certificate)})
            rounds = await bench.interleaved(
                partial(_run, bench, clear, events), partial(_run, secure, trusting, events)
            )
    return _section(events, in_flight, rounds)


async def _run(bench: Bench, scenery: Scenery, events: int) -> Found:
    async with bench.scene(scenery) as scene:
        rate = await work_off(scene, events)
        sound(await prove(scene, rate.deliveries))
        found = Found(rate=rate, reused=reused_share(await scene.stage.sink.receipts()))
        say(
            f"  {scene.stage.sink.url(0).partition(':')[0]}: {rate.per_second:.0f}/s, {rate.relay_us:.1f} us relay,"
            f" {found.reused:.2%} reused"
        )
        return found


def _not_measured(why: str) -> Section:
    check = Check(promise=PROMISE, found=f"not measured: {why}", holds=False)
    return Section(title="TLS", how=f"Not measured: {why}.", checks=(check,))


def _section(events: int, in_flight: int, rounds: Sequence[tuple[Found, ...]]) -> Section:
    clear, secure = [each[0] for each in rounds], [each[1] for each in rounds]
    reused = median([each.reused for each in secure])
    return Section(
        title="TLS",
        how=HOW.format(
            events=events,
            in_flight=in_flight,
            cap=in_flight // SHAPE.endpoints,
            endpoints=SHAPE.endpoints,
            most=1 - in_flight / events,
        ),
        checks=(Check(promise=PROMISE, found=f"{reused:.2%}", holds=reused >= LEAST_REUSED),),
        tables=(
            Table(
                heads=HEADS,
                rows=[_row("in the clear", clear), _row("TLS", secure), _ratios(clear, secure)],
            ),
        ),
        raw={
            "in the clear": [asdict(each) for each in clear],
            "TLS": [asdict(each) for each in secure],
        },
    )


HEADS = [
    "",
    "deliveries/s",
    "least-most",
    "relay us",
    "PostgreSQL us",
    "receiver us",
    "reused, %",
    "peak RSS, MB",
]


def _row(title: str, found: Sequence[Found]) -> list[str]:
    rates = [each.rate for each in found]
    speeds = [each.per_second for each in rates]
    return [
        title,
        f"{median(speeds):.0f}",
        spread(speeds),
        f"{median([each.relay_us for each in rates]):.1f}",
        f"{median([each.postgres_us for each in rates]):.1f}",
        f"{median([each.sink_us for each in rates]):.1f}",
        f"{median([each.reused for each in found]) * 100:.2f}",
        f"{median([each.rss_mb for each in rates]):.0f}",
    ]


def _ratios(clear: Sequence[Found], secure: Sequence[Found]) -> list[str]:
    pairs = [(one.rate, other.rate) for one, other in zip(clear, secure, strict=True)]
    return [
        "ratio",
        f"{median([b.per_second / a.per_second for a, b in pairs]):.2f}",
        "",
        f"{median([b.relay_us / a.relay_us for a, b in pairs]):.2f}",
        f"{median([b.postgres_us / a.postgres_us for a, b in pairs]):.2f}",
        f"{median([b.sink_us / a.sink_us for a, b in pairs]):.2f}",
        "",
        f"{median([b.rss_mb / a.rss_mb for a, b in pairs]):.2f}",
    ]
