"""What it takes to have ten thousand requests in flight, at receivers that think for ten seconds."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial

from relay.bench.backlog import work_off
from relay.bench.load import Shape, commit_events
from relay.bench.probe import probed
from relay.bench.proof import prove
from relay.bench.scene import Scene, Scenery
from relay.bench.usage import peak_rss_mb, usage_of
from tests.bench.harness import Bench, Unsound, median, say, sound
from tests.bench.results import Check, Section, Table

NAME = "standing"
IN_FLIGHT = 10_000
SHAPE = Shape(endpoints=120)
WARM_UP = 24_000
EVENTS = 30_000
DELAY = timedelta(seconds=10)
FILES = 12_000
MOST_MB = 400
MOST_LAG_MS = 50
HOW = """\
`max_in_flight` is {in_flight}, everything else as by default; {endpoints} endpoints. First {warm_up} events are
answered at once, so that every endpoint is known to be well. From then on the receiver answers each request after
{delay:.0f} s, and {events} events are committed at once: as many requests as there are slots stand open, nearly all of
them on new connections at first. Memory is the most that the relay had resident in its whole life. The lag of its event
loop is taken from outside: /healthz is asked every 50 ms until everything is recorded, and the round trip is an upper
bound of the lag, since the loop answers only when it gets round to it, and both sides wait for a core besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one run came to.

    Attributes:
        in_flight: The most requests that waited for their answer at once, counted by the receiver.
        rss_mb: The most memory that the relay had resident.
        lag_p50: Of the round trips to /healthz, in milliseconds, as the next two.
        asked: How many round trips that were.
        cores: The part of a core that the relay took meanwhile.
    """

    in_flight: int
    rss_mb: float
    lag_p50: float
    lag_p99: float
    lag_most: float
    asked: int
    cores: float


async def measure(bench: Bench) -> Section:
    """Let them stand, again and again."""
    events = IN_FLIGHT if bench.is_quick else EVENTS
    with _files():
        rounds = await bench.interleaved(partial(_stand, bench, events))
    found = [each for (each,) in rounds]
    return Section(
        title="Ten thousand in flight",
        how=HOW.format(
            in_flight=IN_FLIGHT,
            endpoints=SHAPE.endpoints,
            warm_up=WARM_UP,
            delay=DELAY.total_seconds(),
            events=events,
        ),
        checks=_checks(found),
        tables=(Table(heads=HEADS, rows=[_row(number, each) for number, each in enumerate(found, 1)]),),
        raw={"runs": [asdict(each) for each in found]},
    )


@contextmanager
def _files() -> Iterator[None]:
    """Let what is started meanwhile open as many files as it takes.

    Raises:
        Unsound: This user may not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < FILES:
        raise Unsound(f"{IN_FLIGHT} connections need `ulimit -Hn` to be at least {FILES}; it is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _stand(bench: Bench, events: int) -> Found:
    async with bench.scene(Scenery(shape=SHAPE, in_flight=IN_FLIGHT)) as scene:
        await work_off(scene, WARM_UP)
        await bench.stage.sink.pace(DELAY)
        before = usage_of(scene.processes())
        seconds, lag = await probed(scene.port, _deliver(scene, events))
        used = usage_of(scene.processes()).since(before)
        sound(await prove(scene, WARM_UP + events))
        counts = await bench.stage.sink.counts()
        found = Found(
            in_flight=counts.most_waiting,
            rss_mb=peak_rss_mb(scene.processes().relay),
            lag_p50=lag.p50,
            lag_p99=lag.p99,
            lag_most=lag.most,
            asked=len(lag.sorted_ms),
            cores=used.relay / seconds,
        )
        say(f"  {found}")
        return found


async def _deliver(scene: Scene, events: int) -> float:
    """Commit the events and wait until all are recorded; returns the seconds."""
    began = time.monotonic()
    await commit_events(scene.observer, events, scene.shape)
    await scene.has_recorded(WARM_UP + events)
    return time.monotonic() - began


def _checks(found: list[Found]) -> tuple[Check, ...]:
    in_flight = min(each.in_flight for each in found)
    memory, lag = median([each.rss_mb for each in found]), median([each.lag_p99 for each in found])
    return (
        Check(
            promise=f"{IN_FLIGHT} deliveries in flight at once, all of them delivered, once",
            found=f"{in_flight} at once, all delivered",
            holds=in_flight >= IN_FLIGHT,
        ),
        Check(
            promise=f"{IN_FLIGHT} in flight: at most {MOST_MB} MB resident",
            found=f"{memory:.0f} MB",
            holds=memory <= MOST_MB,
        ),
        Check(
            promise=f"{IN_FLIGHT} in flight: loop lag p99 at most {MOST_LAG_MS} ms",
            found=f"at most {lag:.1f} ms",
            holds=lag <= MOST_LAG_MS,
        ),
    )


HEADS = [
    "run",
    "in flight at once",
    "peak RSS, MB",
    "lag p50, ms",
    "lag p99, ms",
    "longest lag, ms",
    "asked",
    "relay CPU, % of a core",
]


def _row(number: int, found: Found) -> list[str]:
    return [
        str(number),
        str(found.in_flight),
        f"{found.rss_mb:.0f}",
        f"{found.lag_p50:.1f}",
        f"{found.lag_p99:.1f}",
        f"{found.lag_most:.0f}",
        str(found.asked),
        f"{found.cores * 100:.0f}",
    ]
