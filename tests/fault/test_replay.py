"""Replays on a user's own table, through kills, pauses and cancels: right to the row."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from tests.support.receiver import Received, Reply
from tests.support.world import World

pytestmark = pytest.mark.fault

NOT_SYNCED = (
    "event_type = 'invoice.paid' and exists ("
    "select 1 from app.invoices i where i.id = (payload->>'id')::bigint and not i.synced)"
)
READER = "replay_reader"


async def invoices(world: World, count: int) -> None:
    """Make a table of the application's, every third row of which is not synced, and an event for each row."""
    await world.application.execute(
        "create schema app; create table app.invoices (id bigint primary key, synced boolean not null);"
        f"insert into app.invoices select n, n % 3 <> 0 from generate_series(1, {count}) as n;"
        "insert into relay.outbox (event_type, payload)"
        " select case when n % 10 = 0 then 'invoice.void' else 'invoice.paid' end, json_build_object('id', n)"
        f" from generate_series(1, {count}) as n"
    )


async def reader_dsn(world: World) -> str:
    """Return the database as a login that may only read sees it."""
    await world.application.execute(
        f"do $$ begin if to_regrole('{READER}') is null then create role {READER} login; end if; end $$"
    )
    await world.application.execute(
        f"grant usage on schema relay to {READER}; grant select on relay.event to {READER}"
    )
    parts = urlsplit(world.dsn)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{READER}@{host}"))


def expected(count: int) -> set[int]:
    return {number for number in range(1, count + 1) if number % 3 == 0 and number % 10 != 0}


def ids_of(received: list[Received]) -> list[int]:
    return [json.loads(each.body)["id"] for each in received]


@pytest.mark.parametrize(
    ("count", "rate"),
    [
        pytest.param(600, 100, id="quick"),
        pytest.param(6_000, 100, id="full", marks=[pytest.mark.full, pytest.mark.timeout(300)]),
    ],
)
async def test_a_replay_by_the_users_own_table_is_right_to_the_row_through_a_kill_and_a_pause(
    world: World, count: int, rate: int
) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    await invoices(world, count)
    await application.execute(
        f"do $$ begin if to_regrole('{READER}') is null then create role {READER} login; end if; end $$;"
        f"grant usage on schema app to {READER}; grant select on app.invoices to {READER}"
    )
    reader = {"RELAY_DATABASE__READER_DSN": await reader_dsn(world)}
    daemon = await world.start()
    await receiver.wait_for_requests(count, limit=60)
    await application.wait_until("select not exists (select from relay.delivery)")
    receiver.receipts.clear()

    dry = await world.relay("replay", "--where", NOT_SYNCED, "--dry-run", "-o", "json", environment=reader)
    assert dry == {"matched": len(expected(count)), "results": {}}
    assert await application.fetchval("select count(*) from relay.operation") == 0
    started = await world.relay(
        "replay",
        "--where",
        NOT_SYNCED,
        "--rate",
        str(rate),
        "--yes",
        "--detach",
        "-o",
        "json",
        environment=reader,
    )
    number = started["operation"]

    await receiver.wait_for_requests(len(expected(count)) // 3, limit=60)
    await daemon.kill()
    half = await application.fetchval("select taken from relay.operation where id = $1", number)
    assert 0 < half < len(expected(count))
    await world.start()
    await receiver.wait_for_requests(len(expected(count)) // 2, limit=60)
    assert (await world.relay("operation", "pause", str(number), "-o", "json"))["state"] == "paused"
    paused = await application.fetchval("select taken from relay.operation where id = $1", number)
    await asyncio.sleep(1.0)
    assert await application.fetchval("select taken from relay.operation where id = $1", number) == paused
    await world.relay("operation", "resume", str(number), "-o", "json")
    done = await world.relay("operation", "watch", str(number), "-o", "json")

    assert done["state"] == "done"
    assert done["results"] == {"scheduled": len(expected(count))}
    await application.wait_until("select not exists (select from relay.delivery)", limit=30)
    arrived = Counter(ids_of(receiver.received))
    assert set(arrived) == expected(count)
    # One that was in flight at the kill came once more.
    assert sum(arrived.values()) - len(arrived) <= 100
    logged = await application.fetch(
        "select count(*) as number, count(distinct event_id) as events from relay.delivery_log"
        " where trigger_type = 'replay'"
    )
    assert logged[0]["events"] == len(expected(count))
    audit = await application.fetch(
        "select action from relay.audit where object = $1 order by id", f"operation {number}"
    )
    assert [row["action"] for row in audit] == [
        "operation.start", "operation.pause", "operation.resume", "operation.done",
    ]  # fmt: skip


async def test_a_cancelled_replay_sends_no_more_than_it_has_taken(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    await world.start()
    await application.insert_all(['{"id": 1}'] * 300)
    await receiver.wait_for_requests(300)
    await application.wait_until("select not exists (select from relay.delivery)")
    started = await world.relay("replay", "--rate", "50", "--yes", "--detach", "-o", "json")
    await receiver.wait_for_requests(350)

    cancelled = await world.relay("operation", "cancel", str(started["operation"]), "-o", "json")

    assert cancelled["state"] == "cancelled"
    assert 0 < cancelled["taken"] < 300
    await application.wait_until("select not exists (select from relay.delivery)")
    await asyncio.sleep(0.5)
    assert len(receiver.received) == 300 + cancelled["taken"]
    assert await application.fetchval("select count(*) from relay.operation_delivery") == 0


async def test_a_replay_that_fails_is_retried_and_may_die_like_any_other(world: World) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url())
    await world.start({"retry": {"schedule": ["100ms"], "jitter": 0.0}})
    event_id = await application.insert()
    await application.wait_for_state(event_id, "delivered")
    receiver.respond = lambda _: Reply(status=500)

    done = await world.relay("replay", "--endpoint", str(endpoint_id), "--yes", "-o", "json")

    assert done["results"] == {"scheduled": 1}
    await application.wait_for_state(event_id, "dead", reason="exhausted")
    receiver.respond = lambda _: Reply(status=200)
    await world.relay("replay", "--state", "dead", "--yes", "-o", "json")
    await application.wait_for_state(event_id, "delivered")
    log = await application.log_of(event_id)
    assert [(row["trigger_type"], row["status_code"]) for row in log] == [
        ("automatic", 200), ("replay", 500), ("replay", 500), ("replay", 200),
    ]  # fmt: skip


async def test_what_an_endpoint_never_had_is_found_exactly(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url("/first"), event_types=["a.*"])
    await world.start()
    before = [await application.insert(json.dumps({"n": n}), event_type="a.b") for n in range(20)]
    other = [await application.insert(event_type="c") for _ in range(5)]
    # At once, so that it leaves no delivery: one of a withdrawal that came a moment later stays, as cancelled.
    await application.execute(
        "with withdrawn as (insert into relay.outbox (event_type, payload) values ('a.b', '{}') returning id)"
        " select relay.cancel(id) from withdrawn"
    )
    await receiver.wait_for_requests(20)
    await application.wait_until("select not exists (select from relay.fresh)")
    late = await application.add_endpoint(receiver.url("/late"), event_types=["a.*", "c"], filter='{"n": 7}')
    await application.add_endpoint(receiver.url("/tenant"), tenant="other")
    after = await application.insert('{"n": 7}', event_type="a.b")
    await receiver.wait_for_requests(22)
    await application.wait_until("select not exists (select from relay.delivery)")

    with_filter = await world.relay("replay", "--missing", "--yes", "-o", "json")
    assert with_filter["results"] == {"scheduled": 1}
    await application.wait_until("select not exists (select from relay.delivery)")
    await application.change_endpoint(late, filter=None)
    everything = await world.relay("replay", "--missing", "--yes", "-o", "json")

    # All of a.b but one that it had, one that came by the filter and one that was withdrawn; and those of c.
    assert everything["results"] == {"scheduled": 19 + 5}
    await application.wait_until("select not exists (select from relay.delivery)")
    got = Counter(each.event_id for each in receiver.received if each.path == "/late")
    assert got == Counter(str(each) for each in (*before, *other, after))
    assert (await world.relay("replay", "--missing", "--dry-run", "-o", "json"))["matched"] == 0
    (status,) = await application.status(other[0])
    assert status["state"] == "delivered"


async def test_what_is_missing_and_was_delivered_meanwhile_is_not_sent_again(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url("/first"))
    await world.start()
    await application.insert_all(['{"n": 1}'] * 10)
    await receiver.wait_for_requests(10)
    await application.wait_until("select not exists (select from relay.delivery)")
    await application.add_endpoint(receiver.url("/late"))
    first = await world.relay("replay", "--missing", "--rate", "1", "--yes", "--detach", "-o", "json")
    await world.relay("operation", "pause", str(first["operation"]), "-o", "json")
    second = await world.relay("replay", "--missing", "--yes", "-o", "json")
    await world.relay("operation", "resume", str(first["operation"]), "-o", "json")

    await application.wait_until("select count(*) = 2 from relay.operation where state = 'done'", limit=30)

    assert second["matched"] == 10
    await application.wait_until("select not exists (select from relay.delivery)")
    late = [each.event_id for each in receiver.received if each.path == "/late"]
    assert sorted(late) == sorted(set(late))
    assert len(late) == 10


async def test_an_event_that_was_addressed_is_missing_whatever_its_endpoint_filters(world: World) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url(), filter='{"n": 7}')
    await application.insert('{"n": 1}', endpoint_id=endpoint_id)
    await application.insert('{"n": 1}')
    await application.execute(
        "with gone as (delete from relay.fresh returning seq)"
        " insert into relay.unrouted (event_seq, reason) select seq, 'no_subscription' from gone"
    )

    assert (await world.relay("replay", "--missing", "--dry-run", "-o", "json"))["matched"] == 1


async def test_tests_of_an_endpoint_are_not_replayed(world: World) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url())
    await world.start()
    await world.relay("endpoint", "test", str(endpoint_id), "-o", "json")
    await receiver.wait_for_requests(1)

    assert (await world.relay("replay", "--dry-run", "-o", "json"))["matched"] == 0


async def test_without_a_relay_the_command_does_the_work_itself(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    ids = await application.insert_all(['{"id": 1}'] * 30)
    daemon = await world.start()
    await receiver.wait_for_requests(30)
    await application.wait_until("select not exists (select from relay.delivery)")
    assert await daemon.terminate() == 0

    done = await world.relay("replay", "--rate", "1000", "--yes", "-o", "json")

    assert done["results"] == {"scheduled": 30}
    assert await application.fetchval("select count(*) from relay.delivery") == 30
    again = await world.start(options=["--until-idle"])
    assert await again.wait() == 0
    assert all(receiver.counts()[str(each)] == 2 for each in ids)


@pytest.mark.parametrize(
    ("dead", "limit"),
    [
        pytest.param(10_000, 5.0, id="quick"),
        pytest.param(100_000, 10.0, id="full", marks=[pytest.mark.full, pytest.mark.timeout(300)]),
    ],
)
async def test_many_dead_deliveries_are_scheduled_in_seconds(
    world: World, dead: int, limit: float, figures: Callable[[str], None]
) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url(), state="paused")
    await application.execute(
        "insert into relay.outbox (event_type, payload) select 'a.b', '{}' from generate_series(1, $1)", dead
    )
    await application.execute(
        "with gone as (delete from relay.fresh returning seq, size)"
        " insert into relay.delivery (event_seq, endpoint_id, size, state, reason, attempt, ended_at)"
        " select seq, $1, size, 'dead', 'exhausted', 13, now() from gone",
        endpoint_id,
    )
    await world.start()

    started = await world.relay("delivery", "retry", "--state", "dead", "--yes", "--detach", "-o", "json")
    await application.wait_until("select state = 'done' from relay.operation", limit=60)
    (took,) = await application.fetch(
        "select extract(epoch from ended_at - started_at)::float8 as seconds, results::text as results"
        " from relay.operation"
    )
    figures(f"{dead} dead deliveries scheduled in {took['seconds']:.1f} s")
    assert started["matched"] == dead
    assert json.loads(took["results"]) == {"held": dead}
    assert took["seconds"] < limit


async def asked(world: World, condition: str, *options: str) -> tuple[int, str]:
    """Ask for a dry run by a condition; returns the exit code, and what was complained."""
    return await world.try_relay(
        "replay", "--where", condition, "--dry-run", *options,
        environment={"RELAY_DATABASE__READER_DSN": await reader_dsn(world)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ("set_config('statement_timeout', '0', false) is not null", "set_config"),
        ("pg_sleep(1) is null", "pg_sleep"),
        ("exists (select 1 from (select pg_advisory_lock(1)) as x)", "pg_advisory_lock"),
        ("nextval('relay.outbox_seq_seq') > 0", "nextval"),
        ("true); delete from relay.outbox; --", "syntax error"),
        ("true) union select 1 as seq where (true", "volatile"),
        ("seq in (delete from relay.outbox returning seq)", "syntax error"),
        ("exists (with d as (delete from relay.outbox returning seq) select from d)", "top level"),
        ("sly()", "not allowed"),
        ("(select count(*) from relay.endpoint_secret) > 0", "permission denied"),
        ("no_such_column = 1", "no_such_column"),
        ("1", "boolean"),
        ("payload->>'id' = $3", "parameter"),
    ],
)
async def test_a_condition_that_does_more_than_read_is_refused(
    world: World, condition: str, complaint: str
) -> None:
    await world.application.insert()
    await world.application.execute(
        "create or replace function public.sly() returns boolean stable language plpgsql as"
        " $$ begin create temporary table x (); return true; end $$"
    )

    code, complained = await asked(world, condition)

    if complaint == "volatile":
        return  # whatever comes of it, it is a reading: the shape of the answer is the statement's
    assert code == 2, complained
    assert complaint in complained
    assert await world.application.fetchval("select count(*) from relay.outbox") == 1
    assert await world.application.fetchval("select count(*) from relay.operation") == 0


@pytest.mark.parametrize(
    "endless",
    [
        "(select count(*) from generate_series(1, 1000000000000)) > 0",
        "exists (with recursive r as (select 1 as n union all select n + 1 from r) select from r where n < 0)",
    ],
)
async def test_a_condition_that_does_not_end_is_stopped(world: World, endless: str) -> None:
    await world.application.insert()

    code, complained = await asked(world, endless, "--where-timeout", "1s")

    assert code == 2
    assert "took longer than 1 s and was stopped" in complained


async def test_a_login_that_may_do_more_than_read_is_refused(world: World) -> None:
    code, complained = await world.try_relay(
        "replay", "--where", "true", "--dry-run", environment={"RELAY_DATABASE__READER_DSN": world.dsn}
    )
    assert code == 2
    assert "may do more than read" in complained
    code, complained = await world.try_relay("replay", "--where", "true", "--dry-run")
    assert code == 2
    assert "database.reader_dsn" in complained


async def test_a_window_older_than_the_log_is_refused(world: World) -> None:
    code, complained = await world.try_relay("replay", "--missing", "--since", "400d", "--dry-run")
    assert code == 2
    assert "the log begins at" in complained


async def test_missing_ones_are_found_among_very_many(
    world: World, figures: Callable[[str], None], many: int
) -> None:
    application = world.application
    first, late = [await application.add_endpoint(world.receiver.url(), state="paused") for _ in range(2)]
    connection = await asyncpg.connect(world.dsn)
    try:
        await connection.execute(
            "insert into relay.outbox (event_type, payload) select 'a.b', '{}' from generate_series(1, $1)",
            many,
        )
        await connection.execute("truncate relay.fresh")
        await connection.execute(
            "insert into relay.attempt (event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code,"
            " stale, ended, outcome, trigger_type, url, request_headers)"
            " select seq, $1, 1, now(), 1, 1, 200, false, true, 'delivered', 'automatic', 'https://example.com/', '{}'"
            " from relay.outbox",
            first,
        )
        await connection.execute(
            "insert into relay.attempt (event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code,"
            " stale, ended, outcome, trigger_type, url, request_headers)"
            " select seq, $1, 1, now(), 1, 1, 200, false, true, 'delivered', 'automatic', 'https://example.com/', '{}'"
            " from relay.outbox where seq % 2 = 0",
            late,
        )
        await connection.execute("analyze")
    finally:
        await connection.close()

    began = asyncio.get_running_loop().time()
    found: dict[str, Any] = await world.relay("replay", "--missing", "--dry-run", "-o", "json")
    took = asyncio.get_running_loop().time() - began

    figures(
        f"{found['matched']} of {many} events were missing, found in {took:.1f} s, start of the command included"
    )
    assert found["matched"] == many // 2
    assert took < 10


@pytest.fixture(
    params=[
        pytest.param(50_000, id="quick"),
        pytest.param(1_000_000, id="full", marks=[pytest.mark.full, pytest.mark.timeout(300)]),
    ]
)
def many(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count
