"""What wide, large and very many events ask of the relay at once: memory, and how long a statement takes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

from relay.bench.backlog import Rate, start_and_work_off
from relay.bench.load import Connection, Shape, add_events
from relay.bench.proof import prove
from relay.bench.scene import Scenery, Template, make_template
from relay.bench.server_log import Logged, StatementLog
from relay.bench.startup import Startup, watch_startup
from tests.bench.harness import Bench, median, say, sound
from tests.bench.results import Check, Section, Table

NAME = "width"
IN_FLIGHT = 2000
SATURATED, SATURATED_EVENTS = 1000, 50_000
WIDE = Shape(endpoints=10_000, fan_out=10_000)
LARGE, LARGE_EVENTS = Shape(payload=256 * 1024), 2000
WAITING, WAITING_EVENTS, WAITING_SECONDS = Shape(payload=200), 1_000_000, 20.0
MOST_STATEMENTS = 0.05
MOST_MB, MOST_STATEMENT_MS = 400, 250
MOST_SECONDS, MOST_WAITING_MB = 1.0, 300
HOW = """\
Statements are counted by pg_stat_statements over {saturated} events at {few} in flight; the rest runs with the default
of {in_flight}. Memory is the most that the daemon had resident (VmHWM). How long a statement took is what the server's
own log says of each that the relay sent (`log_duration`, with parsing and planning); those of the start count too. One
event of 1 KB goes to {endpoints} endpoints; {large} events of {payload} KiB go to one of 20 endpoints each: both until
everything is delivered, recorded and proven. Then a relay starts where {waiting} events of {small} bytes wait to be
fanned out, and is stopped after {seconds:.0f} s. The receiver tells when its first request came; the clock runs from
the relay's first statement, by the server's log. From the start of the process it takes longer by what Python needs to
load the program, and by what the machine does not give it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """What it took to deliver everything.

    Attributes:
        rate: Of the deliveries.
        slowest: The relay's slowest statement.
    """

    rate: Rate
    slowest: Logged


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One of each."""

    saturated: Rate
    wide: Burst
    large: Burst
    waiting: Startup


async def measure(bench: Bench) -> Section:
    """Measure each in turn; what takes long to set up is set up once."""
    wide = Shape(endpoints=1000, fan_out=1000) if bench.is_quick else WIDE
    say(f"  adding {wide.endpoints} endpoints")
    async with make_template(bench.stage, Scenery(shape=wide), _nothing) as many_endpoints:
        say(f"  committing {bench.events(WAITING_EVENTS)} events")
        fill = partial(_events, bench.events(WAITING_EVENTS))
        async with make_template(bench.stage, Scenery(shape=WAITING), fill) as many_events:
            rounds = await bench.interleaved(partial(_round, bench, wide, many_endpoints, many_events))
    found = [each for (each,) in rounds]
    return Section(
        title="Statements, width, memory",
        how=HOW.format(
            saturated=bench.events(SATURATED_EVENTS),
            few=SATURATED,
            in_flight=IN_FLIGHT,
            endpoints=wide.endpoints,
            large=_large_events(bench),
            payload=LARGE.payload // 1024,
            waiting=bench.events(WAITING_EVENTS),
            small=WAITING.payload,
            seconds=_seconds(bench),
        ),
        checks=(
            _statements_check(found),
            *_burst_checks(f"one event to {wide.endpoints} endpoints", [each.wide for each in found]),
            *_burst_checks(
                f"{_large_events(bench)} events of {LARGE.payload // 1024} KiB",
                [each.large for each in found],
            ),
            *_waiting_checks(
                f"{bench.events(WAITING_EVENTS)} fresh events at the start", [each.waiting for each in found]
            ),
        ),
        tables=(_burst_table(found), _waiting_table(found)),
        raw={"rounds": [asdict(each) for each in found]},
    )


def _large_events(bench: Bench) -> int:
    return LARGE_EVENTS // 10 if bench.is_quick else LARGE_EVENTS


def _seconds(bench: Bench) -> float:
    return WAITING_SECONDS / 4 if bench.is_quick else WAITING_SECONDS


async def _nothing(dsn: str, connection: Connection) -> None:
    """Leave a template as it is."""


async def _events(count: int, dsn: str, connection: Connection) -> None:  # noqa: ARG001 - as any that fills one
    await add_events(connection, count, WAITING)


async def _round(bench: Bench, wide: Shape, many_endpoints: Template, many_events: Template) -> Round:
    return Round(
        saturated=await bench.rate(Scenery(in_flight=SATURATED), bench.events(SATURATED_EVENTS)),
        wide=await _burst(bench, Scenery(shape=wide, in_flight=IN_FLIGHT, template=many_endpoints), 1),
        large=await _burst(bench, Scenery(shape=LARGE, in_flight=IN_FLIGHT), _large_events(bench)),
        waiting=await _startup(bench, Scenery(shape=WAITING, in_flight=IN_FLIGHT, template=many_events)),
    )


async def _burst(bench: Bench, scenery: Scenery, events: int) -> Burst:
    async with bench.scene(scenery) as scene:
        await add_events(scene.observer, events, scene.shape)
        log = await StatementLog.begin(bench.stage.server.data_dir, scene.observer)
        rate = await start_and_work_off(scene, events)
        sound(await prove(scene, rate.deliveries))
        slowest = max(log.statements(), key=lambda each: each.ms)
        say(f"  {rate.per_second:.0f}/s, {rate.rss_mb:.0f} MB, {slowest.session} {slowest.ms:.0f} ms")
        return Burst(rate=rate, slowest=slowest)


async def _startup(bench: Bench, scenery: Scenery) -> Startup:
    async with bench.scene(scenery) as scene:
        found = await watch_startup(scene, _seconds(bench))
        sound(await prove(scene, found.requests))
        say(f"  {found.from_process:.2f} s, {found.rss_mb:.0f} MB, {found.requests} requests")
        return found


def _statements_check(found: Sequence[Round]) -> Check:
    counted = [each.saturated.statements for each in found if each.saturated.statements is not None]
    return Check(
        promise=f"at most {MOST_STATEMENTS} statements a delivery at {SATURATED} in flight",
        found=f"{median(counted):.4f}" if counted else "not measured: there is no pg_stat_statements",
        holds=bool(counted) and median(counted) <= MOST_STATEMENTS,
    )


def _burst_checks(what: str, bursts: Sequence[Burst]) -> tuple[Check, ...]:
    memory, slowest = median([each.rate.rss_mb for each in bursts]), max(each.slowest.ms for each in bursts)
    return (
        Check(
            promise=f"{what}: memory at most {MOST_MB} MB",
            found=f"{memory:.0f} MB",
            holds=memory <= MOST_MB,
        ),
        Check(
            promise=f"{what}: no statement over {MOST_STATEMENT_MS} ms, in any round",
            found=f"{slowest:.0f} ms",
            holds=slowest <= MOST_STATEMENT_MS,
        ),
    )


def _waiting_checks(what: str, found: Sequence[Startup]) -> tuple[Check, ...]:
    soonest, memory = median([each.from_database for each in found]), median([each.rss_mb for each in found])
    return (
        Check(
            promise=f"{what}: a request within {MOST_SECONDS:.0f} s of the first statement",
            found=f"{soonest:.2f} s",
            holds=soonest <= MOST_SECONDS,
        ),
        Check(
            promise=f"{what}: memory at most {MOST_WAITING_MB} MB",
            found=f"{memory:.0f} MB",
            holds=memory <= MOST_WAITING_MB,
        ),
    )


def _burst_table(found: Sequence[Round]) -> Table:
    kinds = {
        "one wide event": [each.wide for each in found],
        "large events": [each.large for each in found],
    }
    heads = ["", "deliveries/s", "seconds", "relay us", "peak RSS, MB", "slowest statement, ms", "of session"]
    return Table(heads=heads, rows=[_burst_row(name, bursts) for name, bursts in kinds.items()])


def _burst_row(name: str, bursts: Sequence[Burst]) -> list[str]:
    slowest = max((each.slowest for each in bursts), key=lambda each: each.ms)
    return [
        name,
        f"{median([each.rate.per_second for each in bursts]):.0f}",
        f"{median([each.rate.seconds for each in bursts]):.2f}",
        f"{median([each.rate.relay_us for each in bursts]):.1f}",
        f"{median([each.rate.rss_mb for each in bursts]):.0f}",
        f"{slowest.ms:.1f}",
        slowest.session,
    ]


def _waiting_table(found: Sequence[Round]) -> Table:
    starts = [each.waiting for each in found]
    heads = [
        "",
        "first request, s from the first statement",
        "s from the start of the process",
        "requests until it was stopped",
        "peak RSS, MB",
        "slowest statement, ms",
    ]
    row = [
        "start with events waiting",
        f"{median([each.from_database for each in starts]):.2f}",
        f"{median([each.from_process for each in starts]):.2f}",
        f"{median([each.requests for each in starts]):.0f}",
        f"{median([each.rss_mb for each in starts]):.0f}",
        f"{max(each.slowest_ms for each in starts):.1f}",
    ]
    return Table(heads=heads, rows=[row])
