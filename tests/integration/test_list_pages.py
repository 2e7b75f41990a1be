"""Lists in pages give each row once and in order, whatever is filtered and wherever the pages break."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from relay.admin.operations import audit, delivery_pages, endpoint_pages, event_pages, operation_pages, paging
from relay.admin.operations.audit import AuditFilter
from relay.admin.operations.deliveries import Filter
from relay.admin.operations.endpoint_pages import EndpointFilter
from relay.admin.operations.errors import InvalidInput
from relay.admin.operations.event_pages import EventFilter
from relay.admin.operations.paging import Page, to_cursor
from relay.store.session import Session
from relay.store.session_pool import SETTINGS
from tests.support.database import connected

EVENTS = 120
SCENE = f"""
insert into relay.endpoint (url, tenant, state, description)
select
  'https://example.com/' || n, (array['', 'acme', 'globex'])[1 + n % 3],
  case when n = 5 then 'paused' when n = 7 then 'disabled' else 'active' end, 'Number ' || n
from generate_series(0, 8) as n;
insert into relay.endpoint_secret (endpoint_id, sealed)
select id, convert_to('whsec_' || repeat('A', 32), 'UTF8') from relay.endpoint where not url like '%/8';
insert into relay.outbox (event_type, payload, tenant, ordering_key, dedupe_key, created_at)
select
  (array['invoice.paid', 'invoice.sent', 'user.made'])[1 + n % 3 % 2 + (n / 7) % 2], '{{}}',
  (array['', 'acme', 'globex'])[1 + n % 3], 'key-' || n % 4, case when n % 2 = 0 then 'once-' || n end,
  now() - interval '10 hours' + n * interval '5 minutes'
from generate_series(0, {EVENTS - 1}) as n;
delete from relay.fresh where seq % 10 <> 0;
insert into relay.unrouted (event_seq, reason)
select seq, (array['no_subscription', 'cancelled', 'unprocessable'])[1 + seq % 3]
from relay.outbox where seq % 10 = 1;
insert into relay.cancellation (event_id) select id from relay.outbox where seq % 17 = 0;
insert into relay.delivery (
  event_seq, endpoint_id, state, reason, next_attempt_at, claimed_by, attempt, last_status_code, delivered_before,
  size, ended_at)
select
  o.seq, e.id, s.state, case s.state when 'dead' then 'exhausted' when 'held' then 'order' end,
  case when s.state not in ('dead', 'cancelled') then now() + interval '1 hour' end,
  case when s.state = 'pending' and o.seq % 3 = 0 then 1 end, 2,
  case when s.state in ('retrying', 'dead') then 500 + o.seq % 2 end,
  s.state = 'retrying' and o.seq % 5 = 0, 2, case when s.state = 'dead' then now() end
from relay.outbox o
join relay.endpoint e on e.tenant = o.tenant and hashtext(o.seq::text || e.url) % 2 = 0
cross join lateral (
  select (array['pending', 'retrying', 'held', 'dead', 'cancelled'])[1 + abs(hashtext(e.url || o.seq::text)) % 5]
) as s(state)
where o.seq % 10 > 1;
insert into relay.attempt (
  event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code, stale, ended, outcome, trigger_type,
  url, request_headers)
select
  o.seq, e.id, 1, o.created_at + interval '1 second', 1, 7, 200, false, true, 'delivered', 'automatic', e.url, '{{}}'
from relay.outbox o
join relay.endpoint e on e.tenant = o.tenant
where o.seq % 10 > 1
  and (
    not exists (select from relay.delivery d where d.event_seq = o.seq and d.endpoint_id = e.id)
    or exists (
      select from relay.delivery d where d.event_seq = o.seq and d.endpoint_id = e.id and d.delivered_before));
insert into relay.audit (actor, action, object, detail)
select
  (array['cli:anna', 'api:ci'])[1 + n % 2], (array['endpoint.pause', 'event.cancel'])[1 + n % 3 % 2], 'thing ' || n % 5,
  '{{"n": 1}}'
from generate_series(1, 40) as n;
insert into relay.operation (kind, selection, actor, state)
select
  'retry', json_build_object('tenant', (array['acme', 'globex'])[1 + n % 2]), 'cli:anna',
  (array['running', 'done', 'prepared'])[1 + n % 3]
from generate_series(1, 20) as n;
"""


async def fill(dsn: str) -> None:
    async with connected(dsn) as connection:
        await connection.execute(SCENE)
        await connection.execute("analyze")


@pytest.fixture(scope="module")
def scene(shared_database: str) -> str:
    """Provide the DSN of a database with the scene, which tests only read."""
    asyncio.run(fill(shared_database))
    return shared_database


@pytest.fixture
async def session(scene: str) -> AsyncIterator[Session]:
    session = Session(scene, name="test", settings=SETTINGS)
    yield session
    await session.close()


async def walk(ask: Callable[[str | None], Awaitable[Page[Any]]]) -> list[Any]:
    """Return the whole list, page by page."""
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(1000):
        page = await ask(cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError("it never ends")


async def endpoint_of(session: Session, number: int) -> UUID:
    page = await endpoint_pages.page(session, EndpointFilter(text=f"example.com/{number}"), limit=1)
    found: UUID = page.items[0].id
    return found


MATCHING = """
select s.*
from relay.delivery_status s
join relay.outbox o on o.id = s.event_id
where ($1::text is null or state = $1)
  and ($2::uuid is null or s.endpoint_id = $2)
  and ($3::text is null or s.event_type = $3 or s.event_type like replace($3, '*', '%'))
  and ($4::text is null or s.tenant = $4)
  and ($5::timestamptz is null or s.created_at >= $5)
  and ($6::timestamptz is null or s.created_at < $6)
  and ($7::text is null or s.reason = $7)
  and ($8::integer is null or s.last_status_code = $8)
order by o.seq desc, s.endpoint_id desc nulls last
"""
FILTERS = [
    {},
    {"tenant": "acme"},
    {"tenant": ""},
    {"tenant": "nobody"},
    {"event_type": "invoice.*"},
    {"event_type": "user.made", "tenant": "acme"},
    {"event_type": "*"},
    {"status_code": 500},
    {"status_code": 200},
    {"reason": "exhausted"},
    {"reason": "endpoint_paused"},
    {"since": timedelta(hours=5)},
    {"until": timedelta(hours=5)},
    {"since": timedelta(hours=8), "until": timedelta(hours=3), "tenant": "acme"},
    {"since": timedelta(hours=4), "state": "dead"},
    *(
        {"state": state}
        for state in (
            "pending",
            "in_flight",
            "retrying",
            "held",
            "delivered",
            "dead",
            "cancelled",
            "unrouted",
        )
    ),
    *({"endpoint": number} for number in (0, 4, 5)),
    *({"endpoint": number, "state": "delivered"} for number in (3, 7)),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
async def test_pages_of_deliveries_are_what_the_view_says(
    session: Session, scene: str, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = (await session.fetch("delivery_clock"))[0]["now"]
    values: dict[str, Any] = {
        key: now - value if isinstance(value, timedelta) else value for key, value in wanted.items()
    }
    if "endpoint" in values:
        values["endpoint_id"] = await endpoint_of(session, values.pop("endpoint"))
    filter_ = Filter(**values)
    async with connected(scene) as connection:
        rows = await connection.fetch(MATCHING, *filter_.parameters())
    expected = [(row["event_id"], row["endpoint_id"], row["state"], row["reason"]) for row in rows]
    if wanted.get("tenant") != "nobody":
        assert expected, "the scene has nothing like that"
    for limit, budget in ((1000, 10.0), (11, 0.0)):
        monkeypatch.setattr(paging, "BUDGET", budget)
        found = await walk(
            lambda cursor, limit=limit: delivery_pages.page(session, filter_, limit=limit, cursor=cursor)  # type: ignore[misc]
        )
        assert [(each.event_id, each.endpoint_id, each.state, each.reason) for each in found] == expected


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ({}, EVENTS),
        ({"tenant": "acme"}, EVENTS // 3),
        ({"ordering_key": "key-1"}, EVENTS // 4),
        ({"dedupe_key": "once-4", "tenant": "acme"}, 1),
        ({"dedupe_key": "once-6", "tenant": ""}, 1),
        ({"dedupe_key": "once-4"}, 1),
        ({"dedupe_key": "once-4", "tenant": "globex"}, 0),
    ],
    ids=str,
)
async def test_pages_of_events_have_each_once_and_the_newest_first(
    session: Session, wanted: dict[str, Any], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, budget in ((1000, 10.0), (7, 0.0)):
        monkeypatch.setattr(paging, "BUDGET", budget)
        found = await walk(
            lambda cursor, limit=limit: event_pages.page(  # type: ignore[misc]
                session, EventFilter(**wanted), limit=limit, cursor=cursor
            )
        )
        assert len(found) == len({each.id for each in found}) == number
        assert [each.created_at for each in found] == sorted(
            (each.created_at for each in found), reverse=True
        )


@pytest.mark.parametrize("hours", [0.5, 3, 9.99, 20])
async def test_a_while_has_the_events_that_were_inserted_in_it(session: Session, hours: float) -> None:
    now = (await session.fetch("delivery_clock"))[0]["now"]
    everything = await event_pages.page(session, EventFilter(), limit=1000)
    edge = now - timedelta(hours=hours)
    newer = await event_pages.page(session, EventFilter(since=edge), limit=1000)
    older = await event_pages.page(session, EventFilter(until=edge), limit=1000)

    assert newer.items + older.items == everything.items
    assert all(each.created_at >= edge for each in newer.items)
    assert all(each.created_at < edge for each in older.items)


async def test_endpoints_operations_and_the_audit_come_in_pages(session: Session) -> None:
    endpoints = await walk(
        lambda cursor: endpoint_pages.page(session, EndpointFilter(), limit=2, cursor=cursor)
    )
    assert len({each.id for each in endpoints}) == 9
    found = await endpoint_pages.page(session, EndpointFilter(text="NUMBER 5", state="paused"), limit=9)
    assert [each.description for each in found.items] == ["Number 5"]

    operations = await walk(
        lambda cursor: operation_pages.page(session, limit=3, cursor=cursor, tenant="acme")
    )
    assert {each.selection["tenant"] for each in operations} == {"acme"}
    assert {each.state for each in operations} == {"running", "done"}
    prepared = await operation_pages.page(session, limit=100, state="prepared")
    assert {each.state for each in prepared.items} == {"prepared"}

    entries = await walk(
        lambda cursor: audit.page(
            session, AuditFilter(actor="api:ci", action="endpoint."), limit=3, cursor=cursor
        )
    )
    assert len(entries) == len({each.id for each in entries}) == 13
    assert {(each.actor, each.action) for each in entries} == {("api:ci", "endpoint.pause")}


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "a" * 400, "bm90aGluZw", to_cursor(UUID(int=1), UUID(int=2)), "\ud800"]
)
async def test_a_cursor_of_nobody_is_refused(session: Session, cursor: str) -> None:
    for ask in (
        lambda: delivery_pages.page(session, Filter(), limit=5, cursor=cursor),
        lambda: event_pages.page(session, EventFilter(), limit=5, cursor=cursor),
        lambda: endpoint_pages.page(session, EndpointFilter(), limit=5, cursor=cursor),
        lambda: audit.page(session, AuditFilter(), limit=5, cursor=cursor),
        lambda: operation_pages.page(session, limit=5, cursor=cursor),
    ):
        with pytest.raises(InvalidInput, match="cursor"):
            await ask()


async def test_a_cursor_tells_nobody_of_another_tenants_events(session: Session) -> None:
    (other,) = (await event_pages.page(session, EventFilter(tenant="globex"), limit=1)).items
    for event_id in (other.id, uuid4()):
        with pytest.raises(InvalidInput, match="cursor is none that this list gave"):
            await event_pages.page(
                session, EventFilter(tenant="acme"), limit=5, cursor=to_cursor(event_id, 0)
            )


async def test_the_health_of_endpoints_is_what_the_view_says(any_database: str) -> None:
    columns = "endpoint_id, url, state, pending, retrying, held, dead, breaker, attempts, oldest_waiting"
    await fill(any_database)
    async with connected(any_database) as connection:
        await connection.execute("delete from relay.cancellation; truncate relay.fresh")
        rows = await connection.fetch(f"select {columns} from relay.endpoint_health")
    session = Session(any_database, name="test", settings=SETTINGS)

    found = await endpoint_pages.health_of(session, [row["endpoint_id"] for row in rows])
    await session.close()

    assert len(found) == 9
    for row in rows:
        health = found[row["endpoint_id"]]
        assert {name: getattr(health, name) for name in row.keys()} == dict(row)  # noqa: SIM118 - a record
