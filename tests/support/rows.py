"""Makes rows of Relay's tables for tests, each with as little as its test needs to say."""

from datetime import datetime
from uuid import UUID, uuid4

from tests.support.database import Connection
from tests.support.secrets import SECRET

URL = "https://example.com/hook"


async def add_endpoint(
    connection: Connection,
    *,
    url: str = URL,
    tenant: str = "",
    event_types: tuple[str, ...] = ("*",),
    state: str = "active",
    has_secret: bool = True,
) -> UUID:
    """Insert an endpoint, with a secret that cannot be opened, and return its id."""
    endpoint_id: UUID = await connection.fetchval(
        "insert into relay.endpoint (url, tenant, event_types, state) values ($1, $2, $3, $4) returning id",
        url,
        tenant,
        event_types,
        state,
    )
    if has_secret:
        await connection.execute(
            f"insert into relay.endpoint_secret (endpoint_id, sealed) values ($1, '{SECRET}')",
            endpoint_id,
        )
    return endpoint_id


async def add_event(
    connection: Connection, *, tenant: str = "", is_fresh: bool = False, deliver_at: datetime | None = None
) -> tuple[int, UUID]:
    """Insert an event, fanned out already unless `is_fresh`, and return its seq and id."""
    row = await connection.fetchrow(
        "insert into relay.outbox (event_type, payload, tenant, deliver_at)"
        " values ('invoice.paid', '{}', $1, $2) returning seq, id",
        tenant,
        deliver_at,
    )
    assert row is not None
    if not is_fresh:
        await connection.execute("delete from relay.fresh where seq = $1", row["seq"])
    return row["seq"], row["id"]


async def add_delivery(
    connection: Connection, event_seq: int, endpoint_id: UUID | None = None, **columns: object
) -> UUID:
    """Insert a delivery, due now unless `columns` say otherwise, and return its endpoint's id."""
    row: dict[str, object] = {
        "event_seq": event_seq,
        "endpoint_id": endpoint_id or uuid4(),
        "size": 2,
        "next_attempt_at": await connection.fetchval("select now()"),
        **columns,
    }
    values = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    inserted: UUID = await connection.fetchval(
        f"insert into relay.delivery ({', '.join(row)}) values ({values}) returning endpoint_id",
        *row.values(),
    )
    return inserted


async def add_attempt(
    connection: Connection,
    event_seq: int,
    endpoint_id: UUID,
    *,
    outcome: str = "delivered",
    ended: bool | None = None,
    attempt: int = 1,
    ago: str = "0",
) -> None:
    """Insert a row of the delivery log, of a request made `ago` ('5 minutes') before now."""
    await connection.execute(
        "insert into relay.attempt (event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms,"
        " status_code, stale, ended, outcome, trigger_type, url, request_headers, response_body)"
        " values ($1, $2, $3, now() - $4::text::interval, $3, 12, $5, false, $6, $7, 'automatic', $8, '{}', 'ok')",
        event_seq,
        endpoint_id,
        attempt,
        ago,
        200 if outcome == "delivered" else 500,
        outcome in {"delivered", "dead"} if ended is None else ended,
        outcome,
        URL,
    )
