"""What the views tell people, for a delivery in every state it can be in."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.support.database import Connection
from tests.support.rows import URL, add_attempt, add_delivery, add_endpoint, add_event

SOON = datetime.now(UTC) + timedelta(hours=1)
PAST = datetime.now(UTC) - timedelta(hours=1)

COLUMNS = {
    "delivery_log": "event_id event_type endpoint_id url attempt trigger_type stale status_code error_code error"
    " request_headers request_body response_headers response_body duration_ms attempted_at next_attempt_at outcome",
    "delivery_status": "event_id endpoint_id event_type tenant state reason attempts last_status_code last_error"
    " next_attempt_at created_at ended_at",
    "endpoint_health": "endpoint_id url state success_ratio attempts pending retrying held dead oldest_waiting"
    " breaker paused_until failing_since",
    "backlog": "state deliveries oldest_age",
}


@pytest.mark.parametrize("view", COLUMNS)
async def test_a_view_has_the_columns_that_were_promised(rolled_back: Connection, view: str) -> None:
    statement = await rolled_back.prepare(f"select * from relay.{view}")
    assert " ".join(attribute.name for attribute in statement.get_attributes()) == COLUMNS[view]


async def the_status(connection: Connection, event_id: UUID) -> asyncpg.Record:
    """Return the only row of the event in delivery_status."""
    rows = await connection.fetch("select * from relay.delivery_status where event_id = $1", event_id)
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize(
    ("columns", "state", "reason"),
    [
        ({}, "pending", None),
        ({"claimed_by": 1, "next_attempt_at": SOON}, "in_flight", None),
        ({"claimed_by": 1, "next_attempt_at": PAST}, "pending", None),
        ({"state": "retrying", "next_attempt_at": SOON}, "retrying", None),
        ({"state": "retrying", "claimed_by": 1, "next_attempt_at": SOON}, "in_flight", None),
        ({"next_attempt_at": None, "state": "held", "reason": "secret_missing"}, "held", "secret_missing"),
        ({"next_attempt_at": None, "state": "dead", "reason": "exhausted"}, "dead", "exhausted"),
        ({"next_attempt_at": None, "state": "cancelled"}, "cancelled", None),
    ],
)
async def test_the_state_of_a_delivery(
    rolled_back: Connection, columns: dict[str, object], state: str, reason: str | None
) -> None:
    event_seq, event_id = await add_event(rolled_back)
    endpoint_id = await add_delivery(rolled_back, event_seq, await add_endpoint(rolled_back), **columns)
    found = await the_status(rolled_back, event_id)
    assert (found["state"], found["reason"]) == (state, reason)
    assert (found["endpoint_id"], found["event_type"]) == (endpoint_id, "invoice.paid")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("update relay.endpoint set state = 'paused'", "endpoint_paused"),
        ("update relay.endpoint set state = 'disabled'", "endpoint_disabled"),
        ("insert into relay.pause (tenant) values (null)", "sending_paused"),
        ("insert into relay.pause (tenant) values ('t')", "sending_paused"),
        ("insert into relay.pause (tenant) values ('other')", None),
        ("delete from relay.endpoint_secret", "secret_missing"),
        ("update relay.endpoint_secret set expires_at = now() - interval '1 s'", "secret_missing"),
        ("update relay.endpoint_secret set expires_at = now() + interval '1 h'", None),
    ],
)
@pytest.mark.parametrize("state", ["pending", "retrying"])
async def test_what_its_endpoint_holds_back_is_held_and_says_why(
    rolled_back: Connection, state: str, change: str, reason: str | None
) -> None:
    event_seq, event_id = await add_event(rolled_back, tenant="t")
    endpoint_id = await add_endpoint(rolled_back, tenant="t")
    await add_delivery(rolled_back, event_seq, endpoint_id, state=state)
    await rolled_back.execute(change)
    found = await the_status(rolled_back, event_id)
    assert (found["state"], found["reason"]) == ("held" if reason else state, reason)


async def test_what_is_under_way_or_ended_is_not_held(rolled_back: Connection) -> None:
    endpoint_id = await add_endpoint(rolled_back, state="paused")
    for columns in (
        {"claimed_by": 1, "next_attempt_at": SOON},
        {"state": "dead", "reason": "gone", "next_attempt_at": None},
    ):
        await add_delivery(rolled_back, (await add_event(rolled_back))[0], endpoint_id, **columns)
    rows = await rolled_back.fetch("select state from relay.delivery_status order by state")
    assert [row["state"] for row in rows] == ["dead", "in_flight"]


async def test_a_delivery_that_waits_for_its_time_says_so(rolled_back: Connection) -> None:
    event_seq, event_id = await add_event(rolled_back, deliver_at=SOON)
    await add_delivery(rolled_back, event_seq, await add_endpoint(rolled_back), next_attempt_at=SOON)
    found = await the_status(rolled_back, event_id)
    assert (found["state"], found["reason"], found["next_attempt_at"]) == ("pending", "deliver_at", SOON)


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        ({}, "cancelled"),
        ({"state": "retrying"}, "cancelled"),
        ({"claimed_by": 1, "next_attempt_at": SOON}, "in_flight"),
        ({"state": "dead", "reason": "gone", "next_attempt_at": None}, "dead"),
    ],
)
async def test_a_cancelled_event_takes_along_what_is_not_under_way(
    rolled_back: Connection, columns: dict[str, object], state: str
) -> None:
    event_seq, event_id = await add_event(rolled_back)
    await add_delivery(rolled_back, event_seq, await add_endpoint(rolled_back), **columns)
    await rolled_back.execute("select relay.cancel($1)", event_id)
    assert (await the_status(rolled_back, event_id))["state"] == state


async def test_a_delivered_delivery_is_told_from_the_log(rolled_back: Connection) -> None:
    event_seq, event_id = await add_event(rolled_back)
    endpoint_id = await add_endpoint(rolled_back)
    await add_attempt(rolled_back, event_seq, endpoint_id, outcome="retrying", attempt=1, ago="1 minute")
    await add_attempt(rolled_back, event_seq, endpoint_id, attempt=2)
    found = await the_status(rolled_back, event_id)
    assert (found["state"], found["attempts"], found["last_status_code"]) == ("delivered", 2, 200)
    assert found["ended_at"] > found["created_at"]


async def test_what_is_sent_again_on_request_stays_delivered(rolled_back: Connection) -> None:
    event_seq, event_id = await add_event(rolled_back)
    endpoint_id = await add_endpoint(rolled_back)
    await add_attempt(rolled_back, event_seq, endpoint_id)
    await add_delivery(rolled_back, event_seq, endpoint_id, delivered_before=True, trigger_type="manual")
    assert (await the_status(rolled_back, event_id))["state"] == "delivered"


async def test_a_fresh_event_is_pending_for_nobody_yet(rolled_back: Connection) -> None:
    _, event_id = await add_event(rolled_back, is_fresh=True)
    found = await the_status(rolled_back, event_id)
    assert (found["state"], found["endpoint_id"], found["attempts"]) == ("pending", None, 0)
    await rolled_back.execute("select relay.cancel($1)", event_id)
    assert (await the_status(rolled_back, event_id))["state"] == "cancelled"


@pytest.mark.parametrize(
    ("reason", "state"),
    [("no_subscription", "unrouted"), ("cancelled", "cancelled"), ("unprocessable", "dead")],
)
async def test_an_event_that_ended_without_a_delivery(
    rolled_back: Connection, reason: str, state: str
) -> None:
    event_seq, event_id = await add_event(rolled_back)
    await rolled_back.execute(
        "insert into relay.unrouted (event_seq, reason, detail) values ($1, $2, 'why')", event_seq, reason
    )
    found = await the_status(rolled_back, event_id)
    assert (found["state"], found["reason"], found["last_error"]) == (state, reason, "why")


async def test_the_log_shows_the_request_body_and_outlives_the_event(rolled_back: Connection) -> None:
    event_seq, event_id = await add_event(rolled_back)
    await add_attempt(rolled_back, event_seq, await add_endpoint(rolled_back))
    row = await rolled_back.fetchrow("select * from relay.delivery_log")
    assert row is not None
    assert (row["event_id"], row["request_body"], row["response_body"]) == (event_id, "{}", "ok")
    assert (row["url"], row["status_code"], row["duration_ms"]) == (URL, 200, 12)
    await rolled_back.execute("delete from relay.outbox")
    assert await rolled_back.fetchval("select event_id from relay.delivery_log") is None


async def fill(connection: Connection) -> tuple[UUID, UUID]:
    """Make one busy endpoint with a delivery of each state and one paused one; return their ids."""
    busy, paused = await add_endpoint(connection), await add_endpoint(connection, state="paused")
    for columns in (
        {},
        {"claimed_by": 1, "next_attempt_at": SOON},
        {"state": "retrying", "next_attempt_at": SOON},
        {"state": "dead", "reason": "gone", "next_attempt_at": None},
        {"state": "cancelled", "next_attempt_at": None},
    ):
        await add_delivery(connection, (await add_event(connection))[0], busy, **columns)
    for _ in range(2):
        await add_delivery(connection, (await add_event(connection))[0], paused)
    await add_event(connection, is_fresh=True)
    for number, outcome in enumerate(["delivered", "delivered", "retrying"], start=1000):
        await add_attempt(connection, number, busy, outcome=outcome)
    await add_attempt(connection, 1010, busy, outcome="dead", ago="6 minutes")
    return busy, paused


async def test_the_health_of_an_endpoint_counts_what_waits_and_what_went_well(
    rolled_back: Connection,
) -> None:
    busy, paused = await fill(rolled_back)
    await rolled_back.execute(
        "insert into relay.endpoint_condition (endpoint_id, breaker) values ($1, 'open')", busy
    )
    rows = {row["endpoint_id"]: row for row in await rolled_back.fetch("select * from relay.endpoint_health")}
    counts = {
        key: tuple(
            row[name] for name in ("state", "attempts", "pending", "retrying", "held", "dead", "breaker")
        )
        for key, row in rows.items()
    }
    assert counts[busy] == ("active", 3, 2, 1, 0, 1, "open")
    assert counts[paused] == ("paused", 0, 0, 0, 2, 0, "closed")
    assert float(rows[busy]["success_ratio"]) == pytest.approx(2 / 3, abs=1e-4)
    assert rows[paused]["success_ratio"] is None
    assert rows[paused]["oldest_waiting"] is not None


async def test_the_health_of_a_removed_endpoint_says_removed(rolled_back: Connection) -> None:
    await add_endpoint(rolled_back)
    await rolled_back.execute("update relay.endpoint set removed_at = now()")
    assert await rolled_back.fetchval("select state from relay.endpoint_health") == "removed"


async def test_the_backlog_counts_what_has_not_ended_and_what_is_dead(rolled_back: Connection) -> None:
    await fill(rolled_back)
    rows = await rolled_back.fetch("select state, deliveries, oldest_age from relay.backlog")
    assert {row["state"]: row["deliveries"] for row in rows} == {
        "pending": 2, "in_flight": 1, "retrying": 1, "held": 2, "dead": 1,
    }  # fmt: skip


async def test_what_waits_for_an_endpoint_that_is_not_there_is_not_called_held(
    rolled_back: Connection,
) -> None:
    never_there, removed = uuid4(), await add_endpoint(rolled_back, state="paused", has_secret=False)
    await rolled_back.execute("update relay.endpoint set removed_at = now()")
    for endpoint_id in (never_there, removed):
        event_seq, event_id = await add_event(rolled_back)
        await add_delivery(rolled_back, event_seq, endpoint_id)
        found = await the_status(rolled_back, event_id)
        assert (found["state"], found["reason"]) == ("pending", None)
