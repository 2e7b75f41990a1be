"""What the hot statements read does not grow with the tables, whatever the planner believes of their sizes."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from relay.store.session import PIPELINE_SETTINGS
from relay.store.sql import query
from tests.support.database import Connection, connected

BACKLOG = 150_000
LIMIT = 1_000
"""Rows that a step of a plan may read; far more than are claimed, far fewer than there are."""
DEAD, QUIET = uuid4(), uuid4()


async def fill(connection: Connection) -> None:
    """Give one endpoint a great many due deliveries, and another three."""
    await connection.execute(
        "insert into relay.outbox (event_type, payload) select 'a', '{}' from generate_series(1, $1)", BACKLOG
    )
    for endpoint_id, count in ((DEAD, BACKLOG), (QUIET, 3)):
        await connection.execute(
            "insert into relay.delivery (event_seq, endpoint_id, size, next_attempt_at)"
            " select seq, $1, 2, now() - seq * interval '1 ms' from relay.outbox order by seq limit $2",
            endpoint_id,
            count,
        )
    await connection.execute("analyze relay.delivery")


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from steps(below)


async def most_read(connection: Connection, name: str, *arguments: object) -> float:
    """Run a statement as the pipeline's sessions do, and return how many rows its busiest step read."""
    for setting, value in PIPELINE_SETTINGS.items():
        await connection.execute(f"set local {setting} = '{value}'")
    text = await connection.fetchval(f"explain (analyze, format json) {query(name)}", *arguments)
    read = [
        step["Actual Loops"] * (step["Actual Rows"] + step.get("Rows Removed by Filter", 0))
        for step in steps(orjson.loads(text)[0]["Plan"])
    ]
    return float(max(read))


@pytest.mark.parametrize(
    ("rooms", "claimed"),
    [({DEAD: 4}, 4), ({QUIET: 100}, 3), ({QUIET: 100, DEAD: 100}, 103)],
    ids=["many", "few", "both"],
)
async def test_a_claim_reads_what_it_claims_however_much_is_due(
    rolled_back: asyncpg.Connection, rooms: dict[UUID, int], claimed: int
) -> None:
    await fill(rolled_back)
    arguments = (list(rooms), list(rooms.values()), 1, 60.0, 1_000_000, False)

    assert await most_read(rolled_back, "claim_due", *arguments) <= LIMIT

    leased = await rolled_back.fetchval("select count(*) from relay.delivery where claimed_by = 1")
    assert leased == claimed


async def test_the_due_deliveries_of_an_endpoint_that_is_there_are_not_walked_to_find_that_out(
    rolled_back: asyncpg.Connection,
) -> None:
    await fill(rolled_back)
    await rolled_back.execute(
        "insert into relay.endpoint (id, url) values ($1, 'https://example.com/')", DEAD
    )

    assert await most_read(rolled_back, "end_unknown", [DEAD]) < LIMIT


@pytest.mark.parametrize("is_analyzed", [False, True], ids=["not analyzed", "analyzed"])
async def test_looking_for_alerts_reads_no_more_of_an_endpoint_than_it_asks_for(
    rolled_back: asyncpg.Connection, *, is_analyzed: bool
) -> None:
    await fill(rolled_back)
    if not is_analyzed:
        await rolled_back.execute("delete from pg_statistic where starelid = 'relay.delivery'::regclass")
    for name, arguments in (("due_blocked", ([DEAD, QUIET], 100)), ("overdue", (0.0, 10))):
        plan = orjson.loads(
            await rolled_back.fetchval(f"explain (analyze, format json) {query(name)}", *arguments)
        )
        of_delivery = [step for step in steps(plan[0]["Plan"]) if step.get("Relation Name") == "delivery"]
        assert of_delivery
        for step in of_delivery:
            assert step["Actual Loops"] * step["Actual Rows"] <= LIMIT, name

    rows = await rolled_back.fetch(query("due_blocked"), [DEAD, QUIET], 100)
    assert {row["endpoint_id"]: (row["untried"], row["tried"]) for row in rows} == {
        DEAD: (100, 0),
        QUIET: (3, 0),
    }


async def test_leases_that_came_and_went_are_not_walked_by_a_claim(rolled_back: asyncpg.Connection) -> None:
    await rolled_back.execute(
        "insert into relay.delivery (event_seq, endpoint_id, size, next_attempt_at, claimed_by)"
        " select n, $1, 2, now() + interval '1 minute', 1 from generate_series(1, $2) as n",
        QUIET,
        BACKLOG,
    )
    await rolled_back.execute("delete from relay.delivery")  # vacuum cannot take them away yet
    for setting, value in PIPELINE_SETTINGS.items():
        await rolled_back.execute(f"set local {setting} = '{value}'")

    plan = await rolled_back.fetchval(
        f"explain (analyze, buffers, format json) {query('claim_due')}",
        [QUIET],
        [100],
        1,
        60.0,
        1_000_000,
        False,
    )

    assert orjson.loads(plan)[0]["Plan"]["Shared Hit Blocks"] < LIMIT


async def test_recording_goes_by_the_key_and_not_through_leases_that_came_and_went(
    rolled_back: asyncpg.Connection,
) -> None:
    await rolled_back.execute(
        "insert into relay.delivery (event_seq, endpoint_id, size, next_attempt_at)"
        " select n, $1, 2, now() + interval '1 day' from generate_series(1, $2) as n",
        DEAD,
        BACKLOG,
    )
    await rolled_back.execute("analyze relay.delivery")
    for setting, value in PIPELINE_SETTINGS.items():
        await rolled_back.execute(f"set local {setting} = '{value}'")

    arguments: list[object] = ["{}"] * 23
    arguments[3] = 1
    for place in (16, 17, 19, 20, 21):
        arguments[place - 1] = []

    plan = await rolled_back.fetch(f"explain {query('record')}", *arguments)

    text = "\n".join(row[0] for row in plan)
    assert "delivery_pkey" in text
    assert "delivery_leased" not in text
    assert "delivery_due" not in text


PARAMETERS = {
    "look": 8, "fan_out": 19, "claim_due": 6, "record": 23, "end_unknown": 1, "order_release": 2,
    "delivery_discard": 3, "operation_take": 2,
}  # fmt: skip
BIG = {"fresh", "delivery", "outbox", "attempt", "cancellation"}


async def left_over(connection: Connection, rows: int) -> None:
    """Let there be so many rows in each table, of many that were there, and the planner know of it."""
    await connection.execute(
        "insert into relay.outbox (event_type, payload) select 'a', '{}' from generate_series(1, 2000)"
    )
    await connection.execute(
        "insert into relay.delivery (event_seq, endpoint_id, size, next_attempt_at)"
        " select seq, gen_random_uuid(), 2, now() from relay.outbox"
    )
    await connection.execute("delete from relay.fresh where seq > $1", rows)
    await connection.execute("delete from relay.delivery where event_seq > $1", rows)
    await connection.execute("delete from relay.outbox where seq > $1", rows)
    for table in ("fresh", "delivery", "outbox"):
        await connection.execute(f"vacuum (analyze) relay.{table}")


@pytest.mark.parametrize("rows", [0, 1, 5, 50])
async def test_a_plan_made_while_the_tables_are_all_but_empty_goes_by_keys_as_well(
    any_database: str, rows: int
) -> None:
    async with connected(any_database) as connection:
        await left_over(connection, rows)
        for setting, value in PIPELINE_SETTINGS.items():
            await connection.execute(f"set {setting} = '{value}'")
        walked = []
        for name, count in PARAMETERS.items():
            await connection.execute(f"prepare {name} as {query(name)}")
            nulls = ", ".join(["null"] * count)
            text = await connection.fetchval(f"explain (format json) execute {name} ({nulls})")
            walked += [
                (name, step["Node Type"], step["Relation Name"])
                for step in steps(orjson.loads(text)[0]["Plan"])
                if step["Node Type"] not in {"ModifyTable", "Tid Scan"}
                and step.get("Relation Name") in BIG
                and "Index Cond" not in step
            ]

    assert walked == []
