"""An ordered endpoint gets the events of a key in their order, through failures, a kill and a take-over."""

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg
import pytest

from relay.store.sql import query
from tests.support.daemon import Sections
from tests.support.receiver import Received, Reply
from tests.support.world import World

pytestmark = pytest.mark.fault

WRITERS = 8
FAILING = 0.2
"""The part of events whose first attempt fails, of every second key: a tenth of all."""
QUICK_RETRY: Sections = {
    "retry": {"base": "200ms", "factor": 1.0, "jitter": 0.0},
    "breaker": {"enabled": False},
}
KEYS_TABLE = "create table aggregate (key int primary key, version int not null default 0)"


@dataclass(slots=True)
class Books:
    """What writers committed: when each version of a key was."""

    committed: dict[tuple[int, int], float] = field(default_factory=dict)

    def versions(self) -> dict[int, int]:
        last: dict[int, int] = defaultdict(int)
        for key, version in self.committed:
            last[key] = max(last[key], version)
        return last


def is_failing(key: int) -> bool:
    return key % 2 == 0


async def write(dsn: str, books: Books, *, keys: int, events: int, seed: int) -> None:
    """Commit events, each with a change of its aggregate's row, which serialises the transactions of a key.

    Some draw a transaction id before they wait for the row, and some commit late: so neither ids nor seqs become
    visible in their order.
    """
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(events):
            key = dice.randrange(keys)
            async with connection.transaction():
                if dice.random() < 0.3:
                    await connection.execute("select pg_current_xact_id()")
                version = await connection.fetchval(
                    "update aggregate set version = version + 1 where key = $1 returning version", key
                )
                await connection.execute(
                    "insert into relay.outbox (event_type, payload, ordering_key) values ('a.b', $1::text::json, $2)",
                    json.dumps({"key": key, "version": version}),
                    f"aggregate:{key}",
                )
                if dice.random() < 0.02:
                    await asyncio.sleep(0.05)
            books.committed[key, version] = time.monotonic()
    finally:
        await connection.close()


def first_arrivals(received: list[Received]) -> dict[int, list[tuple[int, float]]]:
    """Return the versions of each key, and when each came, in the order in which they first came."""
    seen, found = set[str](), defaultdict[int, list[tuple[int, float]]](list)
    for request in received:
        if request.event_id not in seen:
            seen.add(request.event_id)
            body = json.loads(request.body)
            found[body["key"]].append((body["version"], request.at))
    return found


@pytest.mark.parametrize(
    ("events", "keys"),
    [
        pytest.param(1_000, 10, id="quick"),
        pytest.param(20_000, 50, id="full", marks=[pytest.mark.full, pytest.mark.timeout(600)]),
    ],
)
async def test_first_arrivals_of_a_key_are_in_order_through_a_kill_and_a_take_over(
    world: World, events: int, keys: int, figures: Callable[[str], None]
) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url(), ordered=True)
    await application.execute(KEYS_TABLE)
    await application.execute("insert into aggregate select generate_series(0, $1::int - 1)", keys)
    dice, first_fails = random.Random(1), dict[str, bool]()  # noqa: S311

    def answer(request: Received) -> Reply:
        key = json.loads(request.body)["key"]
        fails = first_fails.setdefault(request.event_id, is_failing(key) and dice.random() < FAILING)
        return Reply(status=500 if fails and request.attempt == 1 else 200)

    receiver.respond = answer
    books = Books()
    first = await world.start(QUICK_RETRY)
    await world.start(QUICK_RETRY, waits=False)

    async with asyncio.TaskGroup() as writing:
        for seed in range(WRITERS):
            writing.create_task(write(world.dsn, books, keys=keys, events=events // WRITERS, seed=seed))
        await receiver.wait_for_requests(events // 4, limit=120)
        killed = time.monotonic()
        await first.kill()
    await receiver.wait_for(
        lambda: len({each.event_id for each in receiver.received}) == len(books.committed),
        "every event",
        limit=300,
    )
    await application.wait_until("select not exists (select from relay.delivery)", limit=60)

    arrivals, versions = first_arrivals(receiver.received), books.versions()
    for key, last in versions.items():
        assert [version for version, _ in arrivals[key]] == list(range(1, last + 1)), f"key {key}"
    resumed = min(each.at for each in receiver.received if each.at > killed + 0.1)
    waits = [
        at
        - max(books.committed[key, version], resumed if books.committed[key, version] < resumed < at else 0.0)
        for key, found in arrivals.items()
        for version, at in found
        if not is_failing(key)
    ]
    figures(
        f"{len(books.committed)} events, {len(receiver.receipts)} requests, take-over after {resumed - killed:.1f} s,"
        f" a key without failures waited at most {max(waits):.2f} s"
    )
    assert max(waits) < 5
    assert resumed - killed < 15
    assert await application.fetchval("select count(*) from relay.endpoint where id = $1", endpoint_id) == 1


async def test_a_head_that_is_given_up_lets_the_next_go(world: World) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda request: Reply(status=500 if b'"bad"' in request.body else 200)
    await application.add_endpoint(receiver.url(), ordered=True, retry_schedule=[timedelta(seconds=0.2)])
    await world.start(QUICK_RETRY)

    bad = await application.insert('"bad"', ordering_key="k")
    held = await application.insert('"good"', ordering_key="k")
    other = await application.insert('"good"', ordering_key="other")
    none = await application.insert('"good"')

    await application.wait_for_state(other, "delivered")
    await application.wait_for_state(none, "delivered")
    await application.wait_for_state(bad, "dead", reason="exhausted")
    await application.wait_for_state(held, "delivered")
    assert len(receiver.of(bad)) == 2


async def test_what_is_held_says_so_and_a_discarded_head_lets_it_go(world: World) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda request: Reply(status=500 if b'"bad"' in request.body else 200)
    endpoint_id = await application.add_endpoint(receiver.url(), ordered=True)
    await world.start()
    bad = await application.insert('"bad"', ordering_key="k")
    await application.wait_for_state(bad, "retrying")

    held = await application.insert('"good"', ordering_key="k")
    await application.wait_for_state(held, "held", reason="order")
    refused = await world.relay("delivery", "retry", f"{held}/{endpoint_id}", "-o", "json")
    assert "held" in json.dumps(refused)
    await world.relay("endpoint", "pause", str(endpoint_id), "-o", "json")
    await world.relay("endpoint", "resume", str(endpoint_id), "-o", "json")
    await application.wait_for_state(held, "held", reason="order")
    assert not receiver.of(held)

    await world.relay("delivery", "discard", f"{bad}/{endpoint_id}", "--yes", "-o", "json")

    await application.wait_for_state(held, "delivered", limit=5)


async def test_a_backlog_of_one_key_goes_out_in_order_after_a_start(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url(), ordered=True)
    ids = [await application.insert(ordering_key="k") for _ in range(30)]
    ids += await application.insert_all(['{"id": 1}'] * 300, ordering_key="k")

    daemon = await world.start(options=["--until-idle"])
    assert await daemon.wait(60) == 0

    assert [each.event_id for each in receiver.received[:30]] == [str(each) for each in ids[:30]]
    seqs = await application.fetch("select id from relay.outbox order by seq")
    assert [each.event_id for each in receiver.received] == [str(row["id"]) for row in seqs]


async def test_an_event_with_a_lower_seq_that_another_page_brings_goes_first(world: World) -> None:
    """Pages are read by transaction, which says nothing of the order: the first page has the later event of the key."""
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url(), ordered=True)
    early, late = await asyncpg.connect(world.dsn), await asyncpg.connect(world.dsn)
    insert = "insert into relay.outbox (event_type, payload, ordering_key) values ('a.b', '{}', $1) returning id::text"
    many = (
        "insert into relay.outbox (event_type, payload, ordering_key)"
        " select 'a.b', '{}', 'x' || n from generate_series(1, 400) n"
    )
    try:
        async with early.transaction():
            await early.execute("select pg_current_xact_id()")  # the smaller id
            async with late.transaction():
                first = await late.fetchval(insert, "k")
                await late.execute(many)
            second = await early.fetchval(insert, "k")
            await early.execute(many)
    finally:
        await early.close()
        await late.close()

    daemon = await world.start(options=["--until-idle"])
    assert await daemon.wait(60) == 0

    arrived = [each.event_id for each in receiver.received]
    assert len(arrived) == 802
    assert arrived.index(first) < arrived.index(second)


async def test_an_event_that_drew_its_seq_early_and_was_committed_late_goes_after_those_that_were_seen_before(
    world: World,
) -> None:
    receiver, application = world.receiver, world.application
    is_mended = asyncio.Event()
    receiver.respond = lambda _: Reply(status=200 if is_mended.is_set() else 500)
    await application.add_endpoint(receiver.url(), ordered=True)
    await world.start(QUICK_RETRY)
    head = await application.insert(ordering_key="k")
    await application.wait_for_state(head, "retrying")

    late = await asyncpg.connect(world.dsn)
    try:
        async with late.transaction():
            seq = await late.fetchval("select nextval('relay.outbox_seq_seq')")
            seen = [await application.insert(ordering_key="k") for _ in range(3)]
            for each in seen:
                await application.wait_for_state(each, "held", reason="order")
            last = await late.fetchval(
                "insert into relay.outbox (seq, event_type, payload, ordering_key)"
                " overriding system value values ($1, 'a.b', '{}', 'k') returning id",
                seq,
            )
    finally:
        await late.close()
    await application.wait_for_state(last, "held", reason="order")
    is_mended.set()

    await application.wait_for_state(last, "delivered")
    arrived = [request.event_id for request in receiver.received if request.event_id != str(head)]
    assert arrived == [str(each) for each in (*seen, last)]


async def test_pages_of_one_look_keep_their_order_when_the_relay_is_killed_between_them(world: World) -> None:
    """The first page, with the later event of the key, was written; the second is read by another look."""
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url(), ordered=True)
    early, late = await asyncpg.connect(world.dsn), await asyncpg.connect(world.dsn)
    insert = (
        "insert into relay.outbox (event_type, payload, ordering_key) values ('a.b', '{}', 'k') returning id"
    )
    try:
        async with early.transaction():
            await early.execute("select pg_current_xact_id()")
            async with late.transaction():
                first = await late.fetchval(insert)
            second = await early.fetchval(insert)
    finally:
        await early.close()
        await late.close()
    snapshot = await application.fetchval("select pg_current_snapshot()::text")
    (look,) = await application.fetch(query("look_number"), snapshot)
    await application.execute(
        "with f as (delete from relay.fresh using relay.outbox o where o.seq = fresh.seq and o.id = $1"
        " returning fresh.*)"
        " insert into relay.delivery (event_seq, endpoint_id, size, state, reason, ordering_hash, look_number)"
        " select seq, $2, size, 'held', 'order', ordering_hash, $3 from f",
        second,
        endpoint_id,
        look["look_number"],
    )

    daemon = await world.start()
    for each in (first, second):
        await application.wait_for_state(each, "delivered", limit=10)

    assert [request.event_id for request in receiver.received] == [str(first), str(second)]
    assert daemon.exit_code is None


async def test_what_is_written_while_an_earlier_one_of_its_key_is_recorded_is_not_held_for_it(
    world: World,
) -> None:
    """Both statements are made so slow that each would be in the other's midst; fan-out has to wait for the end."""
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url(), ordered=True)
    await application.execute(
        "create table written (state text);"
        "create function slow() returns trigger language plpgsql as $$ begin"
        "  perform pg_sleep(0.7);"
        "  if tg_table_name = 'delivery' then insert into written values (new.state); end if;"
        "  return new; end $$;"
        "create trigger slow before insert on relay.delivery for each row when (new.size = 17)"
        "  execute function slow();"
        "create trigger slow before insert on relay.attempt_default for each row execute function slow();"
    )
    partition = await application.fetchval(
        "select 'relay.attempt_' || to_char(now() at time zone 'UTC', 'YYYYMMDD')"
    )
    await application.execute(
        f"create trigger slow before insert on {partition} for each row execute function slow()"
    )
    await world.start()
    head = await application.insert("1", ordering_key="k")
    await receiver.wait_for_event(head)
    await asyncio.sleep(0.2)  # its outcome is being recorded
    follower = await application.insert('{"padding": "17"}', ordering_key="k")

    await application.wait_for_state(follower, "delivered")

    assert [row["state"] for row in await application.fetch("select state from written")] == ["pending"]


async def test_a_withdrawn_head_does_not_hold_up_its_key_until_its_next_attempt(world: World) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda request: Reply(status=500 if b'"bad"' in request.body else 200)
    await application.add_endpoint(receiver.url(), ordered=True, retry_schedule=[timedelta(hours=1)])
    await world.start()
    head = await application.insert('"bad"', ordering_key="k")
    await application.wait_for_state(head, "retrying")
    held = await application.insert('"good"', ordering_key="k")
    await application.wait_for_state(held, "held", reason="order")

    await application.execute("select relay.cancel($1)", head)

    await application.wait_for_state(held, "delivered", limit=10)
    await application.wait_for_state(head, "cancelled")
    assert len(receiver.of(head)) == 1


async def test_a_follower_that_somebody_holds_locked_stops_nobody_else(world: World) -> None:
    receiver, application = world.receiver, world.application
    receiver.hold()
    await application.add_endpoint(receiver.url(), ordered=True)
    daemon = await world.start()
    head = await application.insert(ordering_key="k")
    await receiver.wait_for_open(1)
    follower = await application.insert(ordering_key="k")
    await application.wait_for_state(follower, "held", reason="order")

    holder = await asyncpg.connect(world.dsn)
    try:
        async with holder.transaction():
            await holder.execute("select from relay.delivery where state = 'held' for update")
            receiver.release()
            await daemon.wait_for_log("delivery.delivered", event_id=head, limit=5)
            others = [await application.insert(ordering_key=f"other {number}") for number in range(20)]
            for each in others:
                await daemon.wait_for_log("delivery.delivered", event_id=each, limit=5)
            assert not receiver.of(follower)
    finally:
        await holder.close()
    await daemon.wait_for_log("delivery.delivered", event_id=follower, limit=10)


async def test_a_follower_that_was_written_while_its_head_was_recorded_is_let_go(world: World) -> None:
    """Two processes do at once what one process never does: neither statement sees what the other is at."""
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url(), ordered=True)
    head = await application.insert(ordering_key="k")
    follower = await application.insert(ordering_key="k")
    place = (
        "insert into relay.delivery (event_seq, endpoint_id, size, next_attempt_at, state, reason, ordering_hash,"
        " look_number) select o.seq, $2, 10, $3, $4, $5, f.ordering_hash, nextval('relay.look_number')"
        " from relay.outbox o join relay.fresh f on f.seq = o.seq where o.id = $1"
    )
    await application.execute(place, head, endpoint_id, None, "pending", None)
    fan_out, record = await asyncpg.connect(world.dsn), await asyncpg.connect(world.dsn)
    try:
        await fan_out.execute("begin isolation level repeatable read")
        assert await fan_out.fetchval("select count(*) from relay.delivery") == 1
        await record.execute("delete from relay.delivery")
        (row,) = await record.fetch("select ordering_hash from relay.fresh order by seq limit 1")
        assert await record.fetch(query("order_release"), [endpoint_id], [row["ordering_hash"]]) == []
        await fan_out.execute(place, follower, endpoint_id, None, "held", "order")
        await fan_out.execute("commit")
    finally:
        await fan_out.close()
        await record.close()
    await application.execute("delete from relay.fresh")

    await world.start()

    await application.wait_for_state(follower, "delivered", limit=5)
