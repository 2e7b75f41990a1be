"""What looking back costs those who look ahead: a retry of very many, and retention."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial

from relay.admin.operations import bulk
from relay.admin.operations.deliveries import Filter
from relay.bench.load import Connection, add_endpoint, add_events, event_types
from relay.bench.scene import Scene, Scenery, Template, make_template
from relay.bench.server_log import StatementLog
from relay.bench.stage import OBSERVER
from relay.bench.steady import Load, steadily
from relay.store.session import Session
from tests.bench.full_database import DEAD_TYPE, nobody_listens
from tests.bench.harness import Bench, Unsound, median, say, spread
from tests.bench.pgbench import Inserts, insert
from tests.bench.results import Check, Section, Table

NAME = "look-back"
DEAD = 100_000
BACKLOG = 400_000
WARM = 40_000
IN_FLIGHT = 1000
WINDOW = 6.0
STEADY = 5000
A_TRANSACTION = 10
SETTLING = 5.0
LEAST_SHARE = 0.9
MOST_SECONDS = 10.0
OLD_EVENTS = 1_000_000
ATTEMPTS_AN_EVENT = 3
KEPT = 1000
INSERTS = 500
SECONDS = 60
MOST_INSERT_MS = 25.0
INSERT = "insert into relay.outbox (event_type, payload) values ('bench.none', '{\"id\": 1}');"
OPERATION = "select extract(epoch from ended_at - started_at)::float8 as seconds from relay.operation"
DEAD_EVENTS = """
with events as (
  insert into relay.outbox (event_type, payload)
  select 'bench.dead', json_build_object('id', k)
  from generate_series(1, $1::integer) as k
  returning seq
)
insert into relay.delivery (event_seq, endpoint_id, state, reason, attempt, size, ended_at, claim, recorded)
select o.seq, e.id, 'dead', 'exhausted', 13, 12, now(), 13, 13
from events o
cross join relay.endpoint e
where e.event_types = '{bench.dead}'
"""
DAYS = """
do $$
declare
  day date;
begin
  for day in select generate_series(current_date - 11, current_date - 9, interval '1 day')::date loop
    execute format(
      'create table relay.attempt_%s partition of relay.attempt for values from (%L) to (%L)',
      to_char(day, 'YYYYMMDD'), day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
  end loop;
end
$$
"""
OLD = """
insert into relay.outbox (event_type, payload, created_at)
select 'bench.old', json_build_object('id', k, 'text', repeat('x', 500)), now() - interval '12 days'
from generate_series(1, $1::integer) as k
"""
OLD_ATTEMPTS = """
insert into relay.attempt (
  event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code, stale, ended, outcome, trigger_type,
  url, request_headers)
select
  o.seq, '00000000-0000-0000-0000-000000000001', j,
  (current_date - 12 + j)::timestamp at time zone 'UTC' + interval '1 h', j, 3,
  case j when 3 then 200 else 500 end, false, j = 3, case j when 3 then 'delivered' else 'retrying' end, 'automatic',
  'http://127.0.0.1/', '{"x": "y"}'
from relay.outbox o
cross join generate_series(1, 3) as j
"""
OLD_DEAD = """
insert into relay.delivery (event_seq, endpoint_id, state, reason, attempt, size, ended_at)
select seq, '00000000-0000-0000-0000-000000000002', 'dead', 'exhausted', 13, 500, now() - interval '9 days'
from relay.outbox
order by seq
limit $1
"""
HOW = """\
{steady} events/s are committed for 20 endpoints and delivered. Then a retry of {dead} dead deliveries of another
endpoint, whose host refuses connections, is started as an operation; the deliveries/s of the others while it is being
scheduled are compared with those of the same moment without it, in turn. The same is done to a relay that works off a
backlog of {backlog} events with {in_flight} in flight, and needs both cores for it: there a retry takes what it costs.

Then a database with {old} events of 12 days ago and {attempts} rows of the log on three days, of which {kept} events
have a delivery that is dead for 9 days: a relay with the default retention starts on it, and 16 clients of pgbench
insert {inserts} events a second, each in a transaction of its own, until all is deleted that is to be. How long the
statements took that take a day out of the log and drop it is told by the server's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The others' deliveries a second, and how long the retry took to be scheduled; 0 without one."""

    per_second: float
    scheduled_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """What retention came to.

    Attributes:
        seconds: From the relay's start until all was deleted.
        inserts: The application's meanwhile.
        slowest: Of retention's statements, milliseconds.
        drop_ms: What the slowest of those took that take a day out and drop it.
        kept: Events that are left of the old ones.
    """

    seconds: float
    inserts: Inserts
    slowest: float
    drop_ms: float
    kept: int


async def measure(bench: Bench) -> Section:
    """Measure the retry in pairs, and retention by itself."""
    dead = bench.events(DEAD)
    with nobody_listens() as url:

        async def fill(dsn: str, connection: Connection) -> None:
            await add_endpoint(dsn, url, DEAD_TYPE)
            await connection.execute(DEAD_EVENTS, dead)
            await connection.execute("truncate relay.fresh")

        async with make_template(bench.stage, Scenery(), fill) as template:
            pairs = await bench.interleaved(
                partial(_beside_steady, bench, template, retries=False),
                partial(_beside_steady, bench, template, retries=True),
                partial(_beside, bench, template, retries=False),
                partial(_beside, bench, template, retries=True),
            )
    retained = await bench.interleaved(partial(_retain, bench))
    alone, beside, full_alone, full_beside = zip(*pairs, strict=True)
    kept = [each for (each,) in retained]
    return Section(
        title="Looking back",
        how=HOW.format(
            in_flight=IN_FLIGHT,
            steady=STEADY,
            backlog=bench.events(BACKLOG),
            dead=dead,
            old=bench.events(OLD_EVENTS),
            attempts=bench.events(OLD_EVENTS) * ATTEMPTS_AN_EVENT,
            kept=KEPT,
            inserts=INSERTS,
        ),
        checks=_checks(alone, beside, kept, dead),
        tables=(
            _retries(
                {
                    f"{STEADY} events/s": alone,
                    "the same, beside a retry": beside,
                    "full load": full_alone,
                    "full load, beside a retry": full_beside,
                }
            ),
            _retention(kept),
        ),
        raw={
            "alone": [asdict(each) for each in alone],
            "beside": [asdict(each) for each in beside],
            "full load, alone": [asdict(each) for each in full_alone],
            "full load, beside": [asdict(each) for each in full_beside],
            "retention": [asdict(each) for each in kept],
        },
    )


async def _beside(bench: Bench, template: Template, *, retries: bool) -> Beside:
    async with bench.scene(Scenery(in_flight=IN_FLIGHT, template=template)) as scene:
        await add_events(scene.observer, bench.events(BACKLOG), scene.shape)
        await scene.start()
        await scene.delivered(bench.events(WARM))
        before, began = (await bench.stage.sink.counts()).distinct, time.monotonic()
        if retries:
            await scene.unless_it_ends(_retry(scene))
        else:
            await asyncio.sleep(WINDOW / (10 if bench.is_quick else 1))
        after, seconds = (await bench.stage.sink.counts()).distinct, time.monotonic() - began
        if after >= bench.events(BACKLOG):
            raise Unsound("the backlog was worked off before the end")
        took = await scene.observer.fetchval(OPERATION) if retries else 0.0
    say(f"  {(after - before) / seconds:.0f}/s; scheduled in {took:.1f} s")
    return Beside(per_second=(after - before) / seconds, scheduled_in=took)


async def _beside_steady(bench: Bench, template: Template, *, retries: bool) -> Beside:
    async with bench.scene(Scenery(in_flight=IN_FLIGHT, template=template)) as scene:
        await scene.start()
        types = event_types(scene.shape)
        load = Load(dsn=scene.dsn, user=OBSERVER, rate=STEADY, a_transaction=A_TRANSACTION, types=types)
        async with steadily(load) as running:
            await asyncio.sleep(SETTLING)
            before, began = (await bench.stage.sink.counts()).distinct, time.monotonic()
            await (scene.unless_it_ends(_retry(scene)) if retries else asyncio.sleep(WINDOW))
            after, seconds = (await bench.stage.sink.counts()).distinct, time.monotonic() - began
            await running.stop()
        took = await scene.observer.fetchval(OPERATION) if retries else 0.0
    say(f"  {(after - before) / seconds:.0f}/s of {STEADY}; scheduled in {took:.1f} s")
    return Beside(per_second=(after - before) / seconds, scheduled_in=took)


async def _retry(scene: Scene) -> None:
    """Start a retry of all that is dead, and wait until all of it is scheduled."""
    session = Session(scene.dsn, name="bench", timeout=bulk.SELECTING)
    try:
        selected = await bulk.prepare_change(session, "retry", Filter(state="dead"), rate=None, actor="bench")
        await bulk.change(session, selected.operation_id, "start", actor="bench")
        while (await bulk.show(session, selected.operation_id)).state != "done":  # noqa: ASYNC110 - the relay does it
            await asyncio.sleep(0.02)
    finally:
        await session.close()


async def _retain(bench: Bench) -> Retained:
    async with bench.scene(Scenery(in_flight=IN_FLIGHT)) as scene:
        connection = scene.observer
        await connection.execute(DAYS)
        await connection.execute(OLD, bench.events(OLD_EVENTS))
        await connection.execute("truncate relay.fresh")
        await connection.execute(OLD_ATTEMPTS)
        await connection.execute(OLD_DEAD, KEPT)
        await connection.execute("vacuum (analyze)")
        await connection.execute("checkpoint")
        log = await StatementLog.begin(bench.stage.server.data_dir, connection)
        began = time.monotonic()
        await scene.start()
        seconds = 10 if bench.is_quick else SECONDS
        inserting = asyncio.create_task(
            insert(scene.dsn, INSERT, bench.stage.folder, seconds=seconds, rate=INSERTS)
        )
        left = "select to_regclass('relay.attempt_' || to_char(current_date - 9, 'YYYYMMDD')) is null"
        while not await connection.fetchval(left):  # noqa: ASYNC110 - the relay does it
            await asyncio.sleep(0.1)
        took = time.monotonic() - began
        inserts = await scene.unless_it_ends(inserting)
        if took > seconds:
            raise Unsound(f"deleting took {took:.0f} s, longer than the inserts beside it")
        kept = await connection.fetchval("select count(*) from relay.outbox where event_type = 'bench.old'")
        statements = [each.ms for each in log.statements() if each.session == "retention"]
    found = Retained(
        seconds=took,
        inserts=inserts,
        slowest=max(statements),
        drop_ms=max(statements[-40:]),
        kept=kept,
    )
    say(
        f"  {found.seconds:.1f} s; inserts p99 {inserts.p99_ms:.1f} ms; slowest {found.slowest:.0f} ms; kept {kept}"
    )
    return found


def _checks(
    alone: tuple[Beside, ...], beside: tuple[Beside, ...], kept: list[Retained], dead: int
) -> tuple[Check, ...]:
    share = median([b.per_second / a.per_second for a, b in zip(alone, beside, strict=True)])
    seconds = median([each.scheduled_in for each in beside])
    p99 = median([each.inserts.p99_ms for each in kept])
    return (
        Check(
            promise=f"a retry of {dead} dead deliveries is scheduled within {MOST_SECONDS:.0f} s",
            found=f"{seconds:.1f} s",
            holds=seconds <= MOST_SECONDS,
        ),
        Check(
            promise=f"others get at least {LEAST_SHARE:.0%} of their deliveries/s meanwhile",
            found=f"{share:.0%}",
            holds=share >= LEAST_SHARE,
        ),
        Check(
            promise=f"p99 of an insert at most {MOST_INSERT_MS:.0f} ms while retention deletes",
            found=f"{p99:.1f} ms",
            holds=p99 <= MOST_INSERT_MS,
        ),
        Check(
            promise="what is dead stays, and all else goes",
            found=f"{max(each.kept for each in kept)} left",
            holds=all(each.kept == KEPT for each in kept),
        ),
    )


def _retries(found: Mapping[str, tuple[Beside, ...]]) -> Table:
    rows = []
    for name, runs in found.items():
        rates = [each.per_second for each in runs]
        seconds = median([each.scheduled_in for each in runs])
        rows.append([name, f"{median(rates):.0f}", spread(rates), f"{seconds:.1f}" if seconds else ""])
    return Table(heads=["", "deliveries/s of others", "least-most", "scheduled in, s"], rows=rows)


def _retention(runs: list[Retained]) -> Table:
    return Table(
        heads=[
            "",
            "seconds",
            "inserts/s",
            "insert p50, ms",
            "insert p99, ms",
            "slowest statement, ms",
            "events left",
        ],
        rows=[
            [
                "retention",
                f"{median([each.seconds for each in runs]):.0f}",
                f"{median([each.inserts.per_second for each in runs]):.0f}",
                f"{median([each.inserts.p50_ms for each in runs]):.1f}",
                f"{median([each.inserts.p99_ms for each in runs]):.1f}",
                f"{max(each.slowest for each in runs):.0f}",
                f"{median([each.kept for each in runs]):.0f}",
            ]
        ],
    )
