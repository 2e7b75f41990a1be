"""What the outbox costs the application that inserts into it."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from relay.bench.load import Connection, Shape, add_events
from relay.bench.proof import prove
from relay.bench.scene import Scenery
from tests.bench.harness import Bench, Unsound, median, say, sound, spread
from tests.bench.pgbench import CLIENTS, Inserts, insert
from tests.bench.results import Check, Section, Table

NAME = "application"
SECONDS = 8
SHAPE = Shape()
IN_FLIGHT = 1000
RATE = 500
BACKLOG = 400_000
LEAST_SHARE = 0.65
MOST_P99_MS = 25.0
ASYNC = "-c synchronous_commit=off"
PLAIN, OUTBOX = "plain table", "outbox"
PLAIN_ASYNC, OUTBOX_ASYNC = f"{PLAIN}, `synchronous_commit = off`", f"{OUTBOX}, `synchronous_commit = off`"
GATED, UNGATED = "outbox, a relay listening", "the same, NOTIFY in every transaction"
AT_REST, UNDER_LOAD = "no relay", "relay at full load"
PLAIN_TABLE = """
create table plain (like relay.outbox including defaults including identity);
alter table plain add primary key (seq), add unique (id)
"""
GATE = "if to_timestamp(pg_sequence_last_value('relay.armed_until')) > clock_timestamp() then"
TRIGGER = "select pg_get_functiondef('relay.outbox_inserted'::regproc)"
PAYLOAD = '{"id": 1, "text": "' + "x" * (SHAPE.payload - 21) + '"}'
INSERT_PLAIN = f"insert into plain (event_type, payload) values ('bench.none', '{PAYLOAD}');"
INSERT = f"insert into relay.outbox (event_type, payload) values ('bench.none', '{PAYLOAD}');"
INSERT_DELIVERED = f"""\\set endpoint random(0, {SHAPE.endpoints - 1})
insert into relay.outbox (event_type, payload) values ('bench.g' || :endpoint::integer, '{PAYLOAD}');"""
HOW = """\
{clients} clients of pgbench, on the same machine, insert single rows of 1 KB, each in a transaction of its own, for
{seconds} s into a database of its own. The plain table has the columns of the outbox, its defaults, primary key and
unique id, and neither checks nor trigger. Both wait for the disk with every commit, as applications do; the lines with
`synchronous_commit = off` show more of what the outbox costs PostgreSQL, since nothing waits. No relay runs, but for
the pair that compares the gate: there a relay listens, nobody subscribes to the events, and the trigger sends its
NOTIFY either as it does, only while the relay says that it sleeps, or in every transaction. Latency is measured with
{rate} inserts/s in all, at random moments, each from the moment that it was to begin until it is committed, for
{seconds} s: at rest, and while a relay with {in_flight} in flight works off a backlog of {backlog} events, which lasts
longer than that; what is inserted is delivered too, and proven with the rest."""


async def measure(bench: Bench) -> Section:
    """Measure the pairs in turn, then the latency at rest and under load."""
    measures = {
        PLAIN: partial(_inserts, bench, INSERT_PLAIN),
        OUTBOX: partial(_inserts, bench, INSERT),
        PLAIN_ASYNC: partial(_inserts, bench, INSERT_PLAIN, options=ASYNC),
        OUTBOX_ASYNC: partial(_inserts, bench, INSERT, options=ASYNC),
        GATED: partial(_beside_listener, bench, is_gated=True),
        UNGATED: partial(_beside_listener, bench, is_gated=False),
        AT_REST: partial(_inserts, bench, INSERT, rate=RATE),
        UNDER_LOAD: partial(_beside_load, bench),
    }
    rounds = await bench.interleaved(*measures.values())
    found = dict(zip(measures, zip(*rounds, strict=True), strict=True))
    return Section(
        title="What the application pays",
        how=HOW.format(
            clients=CLIENTS,
            seconds=_seconds(bench),
            rate=RATE,
            in_flight=IN_FLIGHT,
            backlog=bench.events(BACKLOG),
        ),
        checks=_checks(found),
        tables=(_rates(found), _latencies(found)),
        raw={name: [asdict(each) for each in all_] for name, all_ in found.items()},
    )


def _seconds(bench: Bench) -> int:
    return 2 if bench.is_quick else SECONDS


async def _inserts(bench: Bench, statement: str, *, rate: int | None = None, options: str = "") -> Inserts:
    """Insert into a database that no relay works on."""
    async with bench.scene(Scenery(shape=SHAPE)) as scene:
        await scene.observer.execute(PLAIN_TABLE)
        await scene.observer.execute("checkpoint")
        seconds = _seconds(bench)
        return _told(
            await insert(
                scene.dsn, statement, bench.stage.folder, seconds=seconds, rate=rate, options=options
            )
        )


async def _beside_listener(bench: Bench, *, is_gated: bool) -> Inserts:
    """Insert what nobody subscribes to, while a relay listens."""
    async with bench.scene(Scenery(shape=SHAPE)) as scene:
        if not is_gated:
            await _take_gate_away(scene.observer)
        await scene.observer.execute("checkpoint")
        await scene.start()
        await scene.sleeps()
        inserting = insert(scene.dsn, INSERT, bench.stage.folder, seconds=_seconds(bench))
        return _told(await scene.unless_it_ends(inserting))


async def _take_gate_away(connection: Connection) -> None:
    """Let the outbox's trigger notify always, and be the same otherwise."""
    definition = await connection.fetchval(TRIGGER)
    if definition.count(GATE) != 1:
        raise Unsound(f"the outbox's trigger has no such gate: {GATE}")
    await connection.execute(definition.replace(GATE, "if true then"))


async def _beside_load(bench: Bench) -> Inserts:
    """Insert while a relay works off a backlog, and prove that it delivered that and the inserted."""
    backlog = bench.events(BACKLOG)
    async with bench.scene(Scenery(shape=SHAPE, in_flight=IN_FLIGHT)) as scene:
        await add_events(scene.observer, backlog, SHAPE)
        await scene.start()
        await scene.has_begun()
        inserting = insert(
            scene.dsn, INSERT_DELIVERED, bench.stage.folder, seconds=_seconds(bench), rate=RATE
        )
        found = await scene.unless_it_ends(inserting)
        if (await bench.stage.sink.counts()).distinct >= backlog:
            raise Unsound(f"the relay had worked off its backlog of {backlog} before the inserts ended")
        await scene.has_recorded(backlog + found.count)
        sound(await prove(scene, backlog + found.count))
        return _told(found)


def _told(found: Inserts) -> Inserts:
    say(f"  {found.per_second:.0f}/s, p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms")
    return found


Found = dict[str, tuple[Inserts, ...]]


def _ratio(found: Found, name: str, base: str) -> float:
    pairs = zip(found[name], found[base], strict=True)
    return median([a.per_second / b.per_second for a, b in pairs])


def _checks(found: Found) -> tuple[Check, ...]:
    share = _ratio(found, OUTBOX, PLAIN)
    p99 = median([each.p99_ms for each in found[UNDER_LOAD]])
    return (
        Check(
            promise=f"{CLIENTS} clients insert at least {LEAST_SHARE:.0%} of what goes into a plain table",
            found=f"{share:.0%}",
            holds=share >= LEAST_SHARE,
        ),
        Check(
            promise=f"p99 of an insert at most {MOST_P99_MS:.0f} ms while the relay is at full load",
            found=f"{p99:.1f} ms",
            holds=p99 <= MOST_P99_MS,
        ),
    )


def _rates(found: Found) -> Table:
    pairs = ((PLAIN, OUTBOX), (PLAIN_ASYNC, OUTBOX_ASYNC), (GATED, UNGATED))
    rows = [
        row for base, name in pairs for row in (_rate_row(found, base, base), _rate_row(found, name, base))
    ]
    return Table(heads=["", "inserts/s", "least-most", "of the line above"], rows=rows)


def _rate_row(found: Found, name: str, base: str) -> list[str]:
    rates: Sequence[float] = [each.per_second for each in found[name]]
    share = "" if name == base else f"{_ratio(found, name, base):.0%}"
    return [name, f"{median(rates):.0f}", spread(rates), share]


def _latencies(found: Found) -> Table:
    rows = [
        [
            name,
            f"{median([each.per_second for each in found[name]]):.0f}",
            f"{median([each.p50_ms for each in found[name]]):.1f}",
            f"{median([each.p99_ms for each in found[name]]):.1f}",
        ]
        for name in (AT_REST, UNDER_LOAD)
    ]
    return Table(heads=["", "inserts/s", "p50, ms", "p99, ms"], rows=rows)
