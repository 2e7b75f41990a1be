"""Whether a delivery costs the same when the tables are full, an endpoint is dead, and vacuum is held back."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial

from relay.bench.backlog import Rate, start_and_work_off
from relay.bench.latency import percentile
from relay.bench.load import add_events
from relay.bench.proof import prove
from relay.bench.scene import Scene, Scenery, Template, make_template
from relay.bench.server_log import StatementLog
from tests.bench.full_database import DEAD_TYPE, Fullness, nobody_listens
from tests.bench.harness import Bench, median, say, sound, spread
from tests.bench.results import Check, Section, Table

NAME = "full-tables"
OLD_EVENTS = 1_000_000
EVENTS = 100_000
IN_FLIGHT = 1000
LEAST_FULL, LEAST_HELD = 0.9, 0.8
MOST_CLAIM_MS = 20.0
EMPTY, FULL, HELD = "empty tables", "full tables", "full tables, a transaction held open"
DEAD_ATTEMPTS = """
select count(*)
from relay.attempt a
join relay.endpoint e on e.id = a.endpoint_id
where e.event_types = array[$1::text]
"""
HOW = """\
{events} fresh events of 1 KB for 20 live endpoints, {in_flight} in flight, on three databases in turn. One is empty.
The others are copies of one with {old} deliveries that are due for an endpoint whose host refuses connections, {old}
deliveries of the live endpoints that are due in a day, and {log} rows in the log, all in today's partition; it was
vacuumed, analyzed and written to disk before. In the third, another session holds a transaction with a snapshot open
from before the relay's start until after the last delivery, so that nothing that the run leaves can be vacuumed. The
relay is not told which endpoint is dead: its attempts, their log rows and their log lines are part of the run, and
only the fresh events' deliveries count. Claims are all statements of the relay's claiming session, timed by the server
itself (`log_duration`, with parsing and planning)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One relay on one database.

    Attributes:
        rate: Of the fresh events' deliveries.
        claims: Statements of the claiming session.
        claim_p50: What they took, in milliseconds.
        claim_p99: What one in a hundred of them exceeds.
        claim_max: The slowest.
        dead_attempts: How often the dead endpoint was tried meanwhile.
    """

    rate: Rate
    claims: int
    claim_p50: float
    claim_p99: float
    claim_max: float
    dead_attempts: int


async def measure(bench: Bench) -> Section:
    """Fill a database once, then measure on empty tables, on copies of it, and with a transaction held open."""
    events, old = bench.events(EVENTS), OLD_EVENTS // 20 if bench.is_quick else OLD_EVENTS
    with nobody_listens() as url:
        fullness = Fullness(events=old, url=url)
        async with make_template(bench.stage, Scenery(), fullness.fill) as template:
            rounds = await bench.interleaved(
                partial(_run, bench, events, None, _not_held),
                partial(_run, bench, events, template, _not_held),
                partial(_run, bench, events, template, _held),
            )
    found = dict(zip((EMPTY, FULL, HELD), zip(*rounds, strict=True), strict=True))
    return Section(
        title="Full tables",
        how=HOW.format(events=events, in_flight=IN_FLIGHT, old=old, log=fullness.attempts),
        checks=_checks(found, old, fullness.attempts),
        tables=(Table(heads=HEADS, rows=[_row(name, runs) for name, runs in found.items()]),),
        raw={name: [asdict(each) for each in runs] for name, runs in found.items()},
    )


Hold = Callable[[Scene], AbstractAsyncContextManager[None]]


async def _run(bench: Bench, events: int, template: Template | None, hold: Hold) -> Run:
    async with bench.scene(Scenery(in_flight=IN_FLIGHT, template=template)) as scene:
        await add_events(scene.observer, events, scene.shape)
        log = await StatementLog.begin(bench.stage.server.data_dir, scene.observer)
        async with hold(scene):
            rate = await start_and_work_off(scene, events)
        sound(await prove(scene, rate.deliveries))
        took = sorted(each.ms for each in log.statements() if each.session == "claim")
        run = Run(
            rate=rate,
            claims=len(took),
            claim_p50=percentile(took, 0.5),
            claim_p99=percentile(took, 0.99),
            claim_max=percentile(took, 1.0),
            dead_attempts=await scene.observer.fetchval(DEAD_ATTEMPTS, DEAD_TYPE),
        )
    say(f"  {rate.per_second:.0f}/s, {run.claims} claims, p99 {run.claim_p99:.1f} ms")
    return run


def _not_held(scene: Scene) -> AbstractAsyncContextManager[None]:  # noqa: ARG001 - as `_held`
    return nullcontext()


@asynccontextmanager
async def _held(scene: Scene) -> AsyncIterator[None]:
    """Hold a transaction open that has written, and whose snapshot keeps every row that is deleted from now on."""
    async with (
        scene.stage.observer(scene.dsn) as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        await connection.fetchval("select pg_current_xact_id()")
        yield


def _checks(found: dict[str, tuple[Run, ...]], old: int, log: int) -> tuple[Check, ...]:
    full, held = _ratio(found[FULL], found[EMPTY]), _ratio(found[HELD], found[EMPTY])
    p99 = {name: median([each.claim_p99 for each in found[name]]) for name in (FULL, HELD)}
    tables = f"{old} due deliveries of a dead endpoint, {old} not yet due and {log} rows in the log"
    return (
        Check(
            promise=f"{tables}: at least {LEAST_FULL:.0%} of the deliveries/s on empty tables",
            found=f"{full:.0%}",
            holds=full >= LEAST_FULL,
        ),
        Check(
            promise=f"the same: p99 of a claim at most {MOST_CLAIM_MS:.0f} ms by the server's log",
            found=f"{p99[FULL]:.1f} ms",
            holds=p99[FULL] <= MOST_CLAIM_MS,
        ),
        Check(
            promise=f"the same with a transaction held open: at least {LEAST_HELD:.0%} of the deliveries/s",
            found=f"{held:.0%}",
            holds=held >= LEAST_HELD,
        ),
    )


def _ratio(runs: tuple[Run, ...], base: tuple[Run, ...]) -> float:
    return median([a.rate.per_second / b.rate.per_second for a, b in zip(runs, base, strict=True)])


HEADS = [
    "",
    "deliveries/s",
    "least-most",
    "relay us",
    "PostgreSQL us",
    "claims",
    "claim p50, ms",
    "claim p99, ms",
    "slowest claim, ms",
    "attempts at the dead endpoint",
]


def _row(name: str, runs: tuple[Run, ...]) -> list[str]:
    rates = [each.rate for each in runs]
    return [
        name,
        f"{median([each.per_second for each in rates]):.0f}",
        spread([each.per_second for each in rates]),
        f"{median([each.relay_us for each in rates]):.1f}",
        f"{median([each.postgres_us for each in rates]):.1f}",
        f"{median([each.claims for each in runs]):.0f}",
        f"{median([each.claim_p50 for each in runs]):.1f}",
        f"{median([each.claim_p99 for each in runs]):.1f}",
        f"{max(each.claim_max for each in runs):.1f}",
        f"{median([each.dead_attempts for each in runs]):.0f}",
    ]
