"""What a page of a list reads does not grow with the tables, whatever is filtered."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import orjson
import pytest

from relay.store.session_pool import SETTINGS
from relay.store.sql import query
from tests.support.database import Connection

EVENTS = 50_000
LIMIT = 5_000
"""Rows that a step of a plan may read; far more than are looked at, far fewer than there are."""
LOOK = 51
NOTHING = (None,) * 8
FILL = f"""
set local synchronous_commit = off;
insert into relay.endpoint (url, tenant)
select 'https://example.com/' || n, 't' || n % 10 from generate_series(1, 20) as n;
insert into relay.outbox (event_type, payload, tenant)
select 'a', '{{}}', case when n % 2 = 0 then '' else 't' || n % 10 end from generate_series(1, {EVENTS}) as n;
delete from relay.fresh;
insert into relay.delivery (event_seq, endpoint_id, size, state)
select seq, gen_random_uuid(), 2, 'dead' from relay.outbox;
insert into relay.attempt (
  event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code, stale, ended, outcome, trigger_type,
  url, request_headers)
select seq, gen_random_uuid(), 1, now(), 1, 1, 200, false, true, 'delivered', 'automatic', 'x', '{{}}'
from relay.outbox, generate_series(1, 2);
insert into relay.audit (actor, action, object) select 'a', 'b', 'c' from generate_series(1, {EVENTS});
insert into relay.operation (kind, selection, actor, state)
select 'retry', '{{}}', 'a', 'done' from generate_series(1, {EVENTS});
"""
PAGES: dict[str, tuple[str, tuple[object, ...]]] = {
    "all deliveries": ("delivery_page", (*NOTHING, None, None, 0, LOOK, 51)),
    "deliveries after some": ("delivery_page", (*NOTHING, EVENTS // 2, uuid4(), 0, LOOK, 51)),
    "deliveries of a type": ("delivery_page", (None, None, "x.*", *NOTHING[3:], None, None, 0, LOOK, 51)),
    "deliveries of a tenant": ("delivery_page", (*NOTHING[:3], "t3", *NOTHING[4:], None, None, 0, LOOK, 51)),
    "deliveries of an endpoint": ("delivery_page", (None, uuid4(), *NOTHING[2:], None, None, 0, LOOK, 51)),
    "dead deliveries": ("delivery_page_open", ("dead", *NOTHING[1:], None, None, 0, LOOK, 51)),
    "dead ones after some": ("delivery_page_open", ("dead", *NOTHING[1:], EVENTS // 2, uuid4(), 0, LOOK, 51)),
    "held deliveries": ("delivery_page_open", ("held", *NOTHING[1:], None, None, 0, LOOK, 51)),
    "all events": ("event_page", (*NOTHING[:6], None, 0, LOOK, 51)),
    "events of a tenant": ("event_page", (None, "t3", *NOTHING[:4], None, 0, LOOK, 51)),
    "events of a nobody": ("event_page", (None, "nobody", *NOTHING[:4], None, 0, LOOK, 51)),
    "an event by its key": ("event_page", (None, "t3", None, None, None, "key", None, 0, LOOK, 51)),
    "the audit": ("audit_page", (*NOTHING[:5], EVENTS // 2, LOOK, 51)),
    "operations": ("operation_page", (None, EVENTS // 2, None, 51)),
    "a tenant's last event": ("event_of_tenant_before", ("t3", EVENTS // 2)),
}


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from steps(below)


async def most_read(connection: Connection, name: str, *arguments: object) -> float:
    """Run a statement as the panel's sessions do, and return how many rows its busiest step read."""
    text = await connection.fetchval(f"explain (analyze, format json) {query(name)}", *arguments)
    return max(
        float(step["Actual Loops"] * (step["Actual Rows"] + step.get("Rows Removed by Filter", 0)))
        for step in steps(orjson.loads(text)[0]["Plan"])
    )


@pytest.mark.parametrize("is_known", [True, False], ids=["analyzed", "unknown to the planner"])
async def test_a_page_reads_a_few_rows_of_many(rolled_back: Connection, *, is_known: bool) -> None:
    await rolled_back.execute(FILL)
    for setting, value in SETTINGS.items():
        await rolled_back.execute(f"set local {setting} = '{value}'")
    if is_known:
        for table in ("outbox", "delivery", "attempt", "audit", "operation"):
            await rolled_back.execute(f"analyze relay.{table}")

    read = {page: await most_read(rolled_back, name, *values) for page, (name, values) in PAGES.items()}

    assert {page: rows for page, rows in read.items() if rows > LIMIT} == {}


async def test_a_time_is_found_without_reading_the_events(rolled_back: Connection) -> None:
    # As the planner sees a table that was empty until a moment ago.
    await rolled_back.execute("analyze relay.outbox")
    await rolled_back.execute(FILL)
    now = await rolled_back.fetchval("select now()")
    assert await most_read(rolled_back, "event_places", now, now) <= LIMIT
