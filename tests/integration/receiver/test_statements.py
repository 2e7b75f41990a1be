"""Every statement of the inbox: it fits the schema, and its head says what it takes."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from relay.receiver.statements import FOLDER, PLANS, statement
from tests.support.database import Connection, connected
from tests.support.inbox import make_inbox

NAMES = sorted(path.stem for path in (FOLDER / "queries").glob("*.sql"))
PARAMETER = re.compile(r"^-- \$(\d+) [a-z_0-9]+: \S.*$", re.MULTILINE)


@pytest.fixture
async def connection(empty_database: str) -> AsyncIterator[Connection]:
    await make_inbox(empty_database).migrate()
    async with connected(empty_database) as found:
        yield found


async def test_every_statement_prepares_and_its_head_documents_its_parameters(connection: Connection) -> None:
    assert len(NAMES) > 10
    for name in NAMES:
        prepared = await connection.prepare(statement(name))
        head = "\n".join(line for line in statement(name).splitlines() if line.startswith("--"))
        documented = [int(number) for number in PARAMETER.findall(head)]
        assert documented == list(range(1, len(prepared.get_parameters()) + 1)), name
        assert re.match(r"-- [A-Z].*\S$", head.splitlines()[0]), name


async def plan_of(connection: Connection, name: str, types: str, values: str) -> str:
    await connection.execute(f"prepare look ({types}) as {statement(name)}")
    rows = await connection.fetch(f"explain execute look({values})")
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize(
    ("name", "types", "values", "indexes"),
    [
        ("find_due", "text, bigint[], bigint", "'relay', '{1,2,3}', 20", ["event_due"]),
        ("release_keys", "text, text[], boolean", "'relay', '{1,2,3}', true", ["event_of_key", "event_pkey"]),
        ("held_keys", "text", "'relay'", ["event_held"]),
        ("stats", "text", "'relay'", ["event_due", "event_dead"]),
    ],
)
async def test_looking_for_what_comes_next_reads_nothing_that_does_not(
    connection: Connection, name: str, types: str, values: str, indexes: list[str]
) -> None:
    await connection.execute(
        "insert into relay_inbox.event"
        " (source, event_id, headers, body, signed_at, state, next_attempt_at, ended_at, ordering_key)"
        " select 'relay', n::text, '{}', '', now(), case when n % 10 = 0 then 'waiting' else 'done' end,"
        " case when n % 20 = 0 then 'infinity' when n % 10 = 0 then now() end,"
        " case when n % 10 > 0 then now() end, (n % 1000)::text"
        " from generate_series(1, 50000) n"
    )
    await connection.execute("analyze relay_inbox.event")
    await connection.execute("set plan_cache_mode = force_generic_plan")

    plan = await plan_of(connection, name, types, values)

    assert "Seq Scan" not in plan, plan
    assert [index for index in indexes if index not in plan] == [], plan


FILL_EVENTS = """
insert into relay_inbox.event
  (source, event_id, headers, body, signed_at, ordering_key, version, next_attempt_at)
select
  'relay', n::text, '{}', '', now(), 'k' || n % 1000, n, case when n > 1000 then 'infinity' else now() end
from generate_series($1::int, $2::int) n
"""
WAITING = """
insert into relay_inbox.event (source, event_id, headers, body, signed_at, failures, next_attempt_at)
select 'relay', n::text, '{}', '', now(), 1, case when n % 2 = 0 then 'infinity' else now() + interval '1 hour' end
from generate_series(1, 20000) n
"""
ENDED = """
insert into relay_inbox.event (source, event_id, headers, body, signed_at, state, next_attempt_at, ended_at)
select 'relay', n::text, '{}', '', now(), 'done', null, now() - n * interval '1 second'
from generate_series(1, 20000) n
"""
FILL_CONTENTS = """
insert into relay_inbox.content
select 'relay', n::text::bytea, n::text from generate_series($1::int, $2::int) n
"""
FILL_MARKS = """
insert into relay_inbox.mark
select 'relay', 'k' || n, n from generate_series($1::int, $2::int) n
"""
FILLING = (FILL_EVENTS, FILL_CONTENTS, FILL_MARKS)
AT_ONCE = {
    "store_events": "'relay', '{a,b}', '{t,t}', '{k1,k2}', '{1,2}', '{\"{}\",\"{}\"}', '{x,y}', '{1,1}'",
    "note_contents": "'relay', '{x,y}', '{a,b}'",
    "find_repeated": "'relay', '{1,2}', '{a,b}'",
    "release_keys": "'relay', '{k1,k2}', true",
    "find_due": "'relay', '{1,2}', 20",
    "lock_event": "5",
    "close_event": "7, 'done'",
    "fail_event": "8, 0, 'error', '1 second'",
    "wait_for_gap": "9, '1 second'",
    "raise_mark": "'relay', 'k1', 3",
    "end_gap": "'relay', 'k1', 1001",
    "list_dead": "'relay', 0, 100",
    "retry_dead": "'relay', null, 0, 100",
}


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from steps(below)


async def most_read(connection: Connection, name: str) -> tuple[float, str]:
    """Run a prepared statement without effect, and return what its busiest step read, and the plan."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        text = await connection.fetchval(f"explain (analyze, format json) execute {name} ({AT_ONCE[name]})")
    finally:
        await transaction.rollback()
    removed = ("Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck")
    read = [
        step["Actual Loops"] * (step["Actual Rows"] + sum(step.get(each, 0) for each in removed))
        for step in steps(json.loads(text)[0]["Plan"])
    ]
    return max(read), text


@pytest.mark.parametrize("first", [0, 5, 50])
async def test_no_plan_from_when_the_inbox_was_empty_outlives_that(
    connection: Connection, first: int
) -> None:
    for name, value in PLANS.items():
        await connection.execute(f"set {name} = '{value}'")
    for fill in FILLING:
        await connection.execute(fill, 1, first)
    await connection.execute("vacuum (analyze)")
    for name in AT_ONCE:
        await connection.execute(f"prepare {name} as {statement(name)}")
        for _ in range(6):  # a plan is kept after five
            await most_read(connection, name)

    for fill in FILLING:
        await connection.execute(fill, first + 1, 20_000)
    for name in AT_ONCE:
        read, plan = await most_read(connection, name)
        assert read <= 100, (name, plan)


@pytest.mark.parametrize(
    ("name", "fill", "values"),
    [
        ("find_due", WAITING, "'relay', '{}', 20"),
        ("prune_events", ENDED, "'relay', '30 days', '90 days', 1000"),
        (
            "prune_contents",
            FILL_CONTENTS.replace("$1::int, $2::int", "1, 20000"),
            "'relay', '70 minutes', 1000",
        ),
    ],
)
async def test_what_is_not_its_time_is_not_read(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, name: str, fill: str, values: str
) -> None:
    for setting, value in PLANS.items():
        await connection.execute(f"set {setting} = '{value}'")
    await connection.execute(fill)
    await connection.execute("vacuum (analyze)")
    await connection.execute(f"prepare {name} as {statement(name)}")
    monkeypatch.setitem(AT_ONCE, name, values)

    read, plan = await most_read(connection, name)
    assert read <= 100, plan
