"""docs/reference/sql.md: the tables, views and functions of the schema `relay` that are made for other people's SQL."""

import asyncio
from collections.abc import Mapping
from typing import TypeAlias

from tests.support.database import connected

Columns: TypeAlias = dict[str, list[tuple[str, str, str | None]]]
"""Relation → its columns, as name, type and default."""

_ASK = """
select
  c.relname as relation,
  a.attname as name,
  format_type(a.atttypid, a.atttypmod) as type,
  case
    when a.attidentity <> '' then 'Relay''s'
    else pg_get_expr(d.adbin, d.adrelid)
  end as default_value
from pg_attribute a
join pg_class c on c.oid = a.attrelid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where c.relnamespace = 'relay'::regnamespace
  and c.relname = any($1)
  and a.attnum > 0
  and not a.attisdropped
order by c.relname, a.attnum
"""

_HEAD = """\
# SQL

The types come from a migrated database by `make schema`; a test compares them. These names are stable. Other tables of
the schema `relay` are Relay's own and may change with any version.

How to publish: [publishing.md](../publishing.md). Who may do what: `sql/roles.sql`.
"""

_FUNCTIONS = """\
## Functions

| function | returns | does |
|---|---|---|
| `relay.publish(event_type, payload, …)` | uuid | inserts one event, and returns the id of the one that stands |
| `relay.cancel(event_id)` | void | withdraws what has not been sent when your transaction commits |
| `relay.event_of_dedupe_key(tenant, key)` | uuid | the event that holds a dedupe key; null if none does |
"""

_ABOUT = {
    "outbox": "What applications write. A row is an event. Never change or delete one that is not delivered.",
    "delivery_status": "Where each delivery stands. An event without deliveries, or without any yet, has one row.",
    "delivery_log": "Every attempt: what was sent and what came back.",
    "endpoint_health": "One row an endpoint, also for removed ones. Ratio and attempts are of the last 5 minutes.",
    "backlog": "What has not ended well, counted by state. A state with nothing in it has no row.",
    "event": "The events, for those who may read and not write. `relay replay --where` is a condition on it.",
}

_OUTBOX: Mapping[str, str] = {
    "seq": "order of the inserts; never leaves the database",
    "id": "the event's id, which receivers see",
    "event_type": "a dotted name such as `invoice.paid`, at most 255 characters",
    "payload": "JSON, sent byte for byte as inserted",
    "body": "instead of `payload`, for what is not JSON",
    "content_type": "media type of `body`; `application/octet-stream` if left out",
    "tenant": "only endpoints of the same tenant get it",
    "ordering_key": "order among events of one key, for endpoints that ask for it",
    "sequence": "your own version number, sent as `X-Webhook-Sequence`",
    "endpoint_id": "only this endpoint, whatever it subscribes to",
    "headers": "extra request headers, a JSON object of strings",
    "deliver_at": "not before",
    "expires_at": "dead with reason `expired` if it was not delivered by then",
    "dedupe_key": "unique in its tenant",
    "traceparent": "W3C trace context, sent as `traceparent`",
    "created_at": "when it was inserted (not when that was committed)",
    "expunged_at": "when its payload was taken away; Relay's",
    "is_skeleton": "everything else of it was taken away as well; Relay's",
}

_MEANING: Mapping[str, Mapping[str, str]] = {
    "outbox": _OUTBOX,
    "delivery_status": {
        "event_id": "the event",
        "endpoint_id": "the endpoint; null if the event has no deliveries, or none yet",
        "event_type": "the event's type",
        "tenant": "the event's tenant",
        "state": "`pending`, `in_flight`, `retrying`, `held`, `delivered`, `dead`, `cancelled` or `unrouted`",
        "reason": "why it is held, dead or unrouted (no endpoint subscribed)",
        "attempts": "how many attempts were counted",
        "last_status_code": "HTTP status of the last attempt, if one came",
        "last_error": "what went wrong with it, in words",
        "next_attempt_at": "when it is due",
        "created_at": "when the event was inserted",
        "ended_at": "when it was delivered or given up",
    },
    "delivery_log": {
        "event_id": "the event",
        "event_type": "its type",
        "endpoint_id": "where it went",
        "url": "the URL at that time",
        "attempt": "number of the attempt, from 1",
        "trigger_type": "`automatic`, `manual` after `relay delivery retry`, `replay` or `test`",
        "stale": "it happened, but another relay had taken the delivery over, so it changed nothing",
        "status_code": "HTTP status; null if none came",
        "error_code": "`dns`, `connect`, `tls`, `timeout`, `reset`, `protocol`, `not_allowed` or `status`",
        "error": "the same in words",
        "request_headers": "as sent; what is secret is `[hidden]`",
        "request_body": "as sent",
        "response_headers": "as received",
        "response_body": "its first bytes (`delivery.max_response_bytes`); null if the endpoint is set not to keep it",
        "duration_ms": "milliseconds from the start to the answer",
        "attempted_at": "when it began",
        "next_attempt_at": "when the next one was due then",
        "outcome": "`delivered`, `retrying`, `dead`, or `released`: not counted, since the fault was Relay's",
    },
    "endpoint_health": {
        "endpoint_id": "the endpoint",
        "url": "where it is",
        "state": "`active`, `paused`, `disabled` or `removed`",
        "success_ratio": "2xx ÷ attempts, 0 to 1; null without attempts",
        "attempts": "attempts in the last 5 minutes",
        "pending": "deliveries not tried yet, and those in flight",
        "retrying": "deliveries that wait for their next attempt",
        "held": "deliveries that wait for the endpoint to be resumed",
        "dead": "deliveries that were given up",
        "oldest_waiting": "when the oldest event was inserted that is not delivered yet",
        "breaker": "`closed`; `open`: it is left alone because it failed; `half_open`: the next attempt decides",
        "paused_until": "until when it is left alone, by its breaker or since it asked for it",
        "failing_since": "its first failure since the last success; null while it does not only fail",
    },
    "backlog": {
        "state": "`pending`, `in_flight`, `retrying`, `held` or `dead`",
        "deliveries": "how many",
        "oldest_age": "age of the oldest event among them",
    },
    # The view has every column of the table but the mark of a skeleton.
    "event": {name: meaning for name, meaning in _OUTBOX.items() if name != "is_skeleton"},
}


def columns_of(dsn: str) -> Columns:
    """Return the columns of the public relations, as a migrated database has them."""

    async def ask() -> Columns:
        found: Columns = {relation: [] for relation in _MEANING}
        async with connected(dsn) as connection:
            for row in await connection.fetch(_ASK, list(_MEANING)):
                found[row["relation"]].append((row["name"], row["type"], row["default_value"]))
        return found

    return asyncio.run(ask())


def render_sql(columns: Columns) -> str:
    """Return the text of `docs/reference/sql.md`.

    Raises:
        ValueError: A column has no meaning here, or a meaning no column.
    """
    for relation, meanings in _MEANING.items():
        names = {name for name, _, _ in columns[relation]}
        if names != set(meanings):
            raise ValueError(
                f"tests/support/reference_sql.py and relay.{relation} differ: {names ^ set(meanings)}"
            )
    parts = [_HEAD, *(_relation(relation, columns[relation]) for relation in _MEANING), _FUNCTIONS]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _relation(relation: str, columns: list[tuple[str, str, str | None]]) -> str:
    meaning = _MEANING[relation]
    if relation == "outbox":
        rows = [
            f"| `{name}` | {kind} | {_shown(default)} | {meaning[name]} |" for name, kind, default in columns
        ]
        head = "| column | type | default | meaning |\n|---|---|---|---|"
    else:
        rows = [f"| `{name}` | {kind} | {meaning[name]} |" for name, kind, _ in columns]
        head = "| column | type | meaning |\n|---|---|---|"
    return f"## `relay.{relation}`\n\n{_ABOUT[relation]}\n\n{head}\n" + "\n".join(rows)


def _shown(default: str | None) -> str:
    if default is None:
        return ""
    return default if default == "Relay's" else f"`{default.removesuffix('::text')}`"
