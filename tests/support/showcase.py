"""A company in the panel, with a bit of everything that pages show: for screenshots, layout and accessibility.

Nothing of it is due, so that a relay that runs leaves it as it is.
"""

import json
from dataclasses import dataclass
from uuid import UUID

from tests.support.database import Connection
from tests.support.secrets import SECRET

LONG_URL = (
    "https://events.globex.example/api/v2/integrations/webhooks/incoming/"
    "5f2c1a90d4e84b7c9a36/relay-production-eu-central-1?source=outbox&retry=yes"
)
ENDPOINTS: tuple[tuple[int, str, str, str, list[str], str, str | None], ...] = (
    (1, "https://hooks.acme.example/billing", "Acme billing", "", ["invoice.*"], "active", None),
    (2, "https://crm.northwind.example/webhooks/relay", "Northwind CRM", "", ["customer.*"], "active", None),
    (3, "https://wms.hamburg.example/in", "Warehouse Hamburg", "", ["order.*"], "paused", None),
    (4, LONG_URL, "", "globex", ["*"], "active", None),
    (5, "https://erp.initech.example/soap/bridge", "Initech ERP", "", ["order.*"], "disabled", "gone"),
    (6, "https://collect.analytics.example/v1/relay", "Analytics", "", ["*"], "active", None),
)
"""Number, URL, description, tenant, event types, state, and why it is disabled."""
ENDPOINT = """
insert into relay.endpoint (id, url, description, tenant, event_types, state, disabled_reason, created_at, metadata)
values ($1, $2, $3, $4, $5, $6, $7, now() - interval '40 days' + $8 * interval '1 hour', '{"owner": "team-payments"}')
"""
CONDITIONS = """
insert into relay.endpoint_condition (endpoint_id, breaker, failing_since, failures)
values ($1, 'open', now() - interval '3 hours', 48)
"""
EVENTS = """
insert into relay.outbox (id, event_type, payload, tenant, ordering_key, dedupe_key, created_at)
select
  md5('event ' || n)::uuid,
  (array['invoice.paid', 'invoice.overdue', 'order.shipped', 'customer.updated', 'order.cancelled'])[1 + n % 5],
  $1::json, case when n % 7 = 3 then 'globex' else '' end,
  case when n % 3 = 0 then 'customer:' || 1000 + n % 40 end, case when n % 4 = 0 then 'invoice-2026-' || n end,
  now() - interval '9 hours' + n * interval '3 minutes'
from generate_series(1, 160) as n
order by n
"""
DELIVERIES = """
insert into relay.delivery (
  event_seq, endpoint_id, state, reason, next_attempt_at, claim, recorded, attempt, window_attempt, window_started_at,
  size, last_status_code, last_error_code, last_error, ended_at)
select
  seq, $1, $2::text, $3::text,
  case when $2 <> 'dead' then now() + $4::integer * interval '1 minute' + seq * interval '7 seconds' end,
  $5::integer, $5, $5, $5, now() - interval '9 hours', 212, $6::integer, $7::text, $8::text,
  case when $2 = 'dead' then now() - interval '40 minutes' + seq * interval '2 seconds' end
from (select seq from relay.outbox where tenant = $9 and event_type like $10 order by seq desc limit $11) as chosen
"""
ATTEMPTS = """
insert into relay.attempt (
  event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code, stale, ended, outcome, trigger_type,
  error_code, error, url, request_headers, response_headers, response_body, next_attempt_at)
select
  d.event_seq, d.endpoint_id, k, at.moment, k, 180 + 37 * k,
  d.last_status_code, false, d.state = 'dead' and k = d.attempt,
  case when d.state = 'dead' and k = d.attempt then 'dead' else 'retrying' end, 'automatic', d.last_error_code,
  d.last_error, e.url, replace(replace($1, 'EVENT', o.id::text), 'ATTEMPT', k::text)::json,
  case when d.last_status_code is null then null else $2::json end,
  case when d.last_status_code is null then null else $3 end,
  case when k < d.attempt or d.state <> 'dead' then at.moment + (d.attempt - k + 1) * interval '13 minutes' end
from relay.delivery d
join relay.outbox o on o.seq = d.event_seq
join relay.endpoint e on e.id = d.endpoint_id
cross join lateral generate_series(1, d.attempt) as k
cross join lateral (
  select coalesce(d.ended_at, now() - interval '20 minutes') - (d.attempt - k) ^ 2 * interval '9 minutes' as moment
) as at
where d.attempt > 0
"""
DELIVERED = """
insert into relay.attempt (
  event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code, stale, ended, outcome, trigger_type,
  url, request_headers, response_headers, response_body)
select
  o.seq, e.id, 1, o.created_at + interval '90 milliseconds', 1, 35 + o.seq % 60, 200, false, true, 'delivered',
  'automatic', e.url, replace(replace($1, 'EVENT', o.id::text), 'ATTEMPT', '1')::json,
  '{"Content-Type": "application/json"}', '{"ok": true}'
from relay.outbox o
join relay.endpoint e on e.tenant = o.tenant and e.state = 'active'
where not exists (select from relay.delivery d where d.event_seq = o.seq and d.endpoint_id = e.id)
  and (e.event_types = '{*}' or split_part(o.event_type, '.', 1) = split_part(e.event_types[1], '.', 1))
"""
# A day of ordinary traffic that no event is left of: what a page counts of an endpoint.
HISTORY = """
insert into relay.attempt (
  event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code, stale, ended, outcome, trigger_type,
  url, request_headers)
select
  -n, e.id, 1, now() - n * interval '15 seconds', 1, 20 + n % 300, case when is_failed then 503 else 200 end, false,
  not is_failed, case when is_failed then 'retrying' else 'delivered' end, 'automatic', e.url, '{}'
from relay.endpoint e
cross join generate_series(1, 5700) as n
cross join lateral (
  select n % 29 = 0 or (n between 80 and 900 and n % 3 = 0 and e.description like 'Acme%')
) as f(is_failed)
where n % 9 < 5 + 4 * sin(n / 900.0) and e.state = 'active' and (e.description <> 'Northwind CRM' or n > 700)
"""
OPERATIONS = """
insert into relay.operation (kind, state, selection, total, taken, results, actor, created_at, started_at, ended_at)
values
  ('retry', 'done', '{"state": "dead", "endpoint": "Initech ERP"}', 1284, 1284, '{"scheduled": 1279, "in_flight": 5}',
   'panel:anna', now() - interval '2 days', now() - interval '2 days', now() - interval '2 days' + interval '9 s'),
  ('discard', 'cancelled', '{"state": "dead", "status_code": 410}', 31, 0, '{}', 'cli:root', now() - interval '1 day',
   null, now() - interval '23 hours'),
  ('replay', 'paused', '{"state": "delivered", "since": "2026-05-01", "endpoint": "Analytics"}', 52210, 18400,
   '{"scheduled": 18400}', 'panel:anna', now() - interval '3 hours', now() - interval '3 hours', null),
  ('retry', 'prepared', '{"state": "dead", "endpoint": "Acme billing"}', 12, 0, '{}', 'panel:anna',
   now() - interval '1 minute', null, null)
"""
ALERTS = """
insert into relay.alert (alert, endpoint_id, summary, raised_at, cleared_at)
values
  ('endpoint_disabled', $1, 'Initech ERP was disabled: it answered 410, so it is gone', now() - interval '5 hours',
   null),
  ('low_delivery_rate', $2, '81.2% of the deliveries to Acme billing succeeded in 5 minutes, of 341',
   now() - interval '26 hours', now() - interval '25 hours'),
  ('backlog_age', null, 'something has been due for 11 min and is not sent', now() - interval '3 days',
   now() - interval '3 days' + interval '14 minutes')
"""
AUDIT = """
insert into relay.audit (at, actor, action, object, detail)
values
  (now() - interval '3 hours', 'panel:anna', 'endpoint.pause', $1::text, null),
  (now() - interval '2 hours', 'panel:anna', 'endpoint.edit', $2::text, '{"timeout": "10s", "rate_limit": 50}'),
  (now() - interval '1 hour', 'cli:root', 'token.create', 'deploy', '{"scope": "operate"}'),
  (now() - interval '20 minutes', 'api:deploy', 'endpoint.rotate_secret', $2::text, '{"overlap": "1d"}')
"""
PAYLOAD = {
    "invoice": "RE-2026-0817",
    "customer": {"id": 1042, "name": "Nordlicht GmbH"},
    "amount": {"currency": "EUR", "cents": 129900},
    "paid_at": "2026-05-11T09:14:07Z",
}
SENT = {
    "Host": "hooks.acme.example",
    "User-Agent": "Relay/1.0",
    "Content-Type": "application/json",
    "X-Webhook-Id": "EVENT",
    "X-Webhook-Attempt": "ATTEMPT",
    "X-Webhook-Signature": "[hidden]",
    "X-Webhook-Event": "invoice.paid",
}
ANSWERED = {"Content-Type": "application/json", "Server": "nginx", "Retry-After": "30"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Showcase:
    """What is there to look at.

    Attributes:
        endpoint: One that fails at times.
        failing: One whose breaker is open.
        paused: One that an operator paused.
        disabled: One that Relay disabled.
        event: One with deliveries.
        dead: A delivery that was given up, as EVENT/ENDPOINT.
        delivered: One that succeeded.
        prepared: The number of an operation that is not started.
        working: The number of one that is under way.
    """

    endpoint: UUID
    failing: UUID
    paused: UUID
    disabled: UUID
    event: UUID
    dead: str
    delivered: str
    prepared: int
    working: int


async def furnish(connection: Connection) -> Showcase:
    """Put it all into a fresh database."""
    for number, *columns in ENDPOINTS:
        await connection.execute(ENDPOINT, _id(number), *columns, number)
        await connection.execute(
            f"insert into relay.endpoint_secret (endpoint_id, sealed) values ($1, '{SECRET}')", _id(number)
        )
    await connection.execute(CONDITIONS, _id(2))
    await connection.execute(EVENTS, json.dumps(PAYLOAD))
    await connection.execute("truncate relay.fresh")
    await _fail(connection)
    await connection.execute(
        ATTEMPTS, json.dumps(SENT), json.dumps(ANSWERED), '{"error": "upstream timed out", "trace": "7f3c"}'
    )
    await connection.execute(DELIVERED, json.dumps(SENT))
    await connection.execute(HISTORY)
    await connection.execute(OPERATIONS)
    await connection.execute(ALERTS, _id(5), _id(1))
    await connection.execute(AUDIT, str(_id(3)), str(_id(1)))
    await connection.execute("analyze")
    return await _found(connection)


async def _fail(connection: Connection) -> None:
    """Make what fails and what waits."""
    dns = ("dns", "crm.northwind.example has no address (NXDOMAIN)")
    for arguments in (
        (_id(1), "dead", "exhausted", 0, 6, 503, "status", "status 503", "", "invoice.%", 12),
        (_id(1), "retrying", None, 40, 2, 429, "status", "status 429", "", "order.cancelled", 5),
        (_id(2), "retrying", None, 120, 4, None, *dns, "", "customer.%", 19),
        (_id(3), "pending", None, 0, 0, None, None, None, "", "order.shipped", 23),
        (_id(5), "dead", "gone", 0, 1, 410, "status", "status 410", "", "order.shipped", 1),
        (_id(5), "pending", None, 0, 0, None, None, None, "", "order.cancelled", 17),
        (_id(4), "dead", "expired", 0, 3, 500, "status", "status 500", "globex", "%", 2),
    ):
        await connection.execute(DELIVERIES, *arguments)


async def _found(connection: Connection) -> Showcase:
    event = await connection.fetchval(
        "select o.id from relay.delivery d join relay.outbox o on o.seq = d.event_seq"
        " where d.endpoint_id = $1 and d.state = 'dead' order by o.seq desc limit 1",
        _id(1),
    )
    delivered = await connection.fetchval(
        "select o.id || '/' || a.endpoint_id from relay.attempt a join relay.outbox o on o.seq = a.event_seq"
        " where a.outcome = 'delivered' and a.endpoint_id = $1 limit 1",
        _id(6),
    )
    operations = await connection.fetch("select state, id from relay.operation")
    numbers = {row["state"]: row["id"] for row in operations}
    return Showcase(
        endpoint=_id(1),
        failing=_id(2),
        paused=_id(3),
        disabled=_id(5),
        event=event,
        dead=f"{event}/{_id(1)}",
        delivered=delivered,
        prepared=numbers["prepared"],
        working=numbers["paused"],
    )


def _id(number: int) -> UUID:
    """Return the id of an endpoint; its beginning is what pages show."""
    return UUID(f"{number * 0x2A6F13C7 % 2**32:08x}-0000-4000-8000-{number:012x}")
