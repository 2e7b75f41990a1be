"""What is shown of an endpoint's health is exact where there is little, and costs no more where there is much."""

from uuid import UUID

import pytest

from relay.admin.operations import endpoint_pages
from relay.admin.operations.endpoint_pages import EndpointHealth
from relay.store.session import Session
from tests.support.database import Connection, connected
from tests.support.rows import add_attempt, add_delivery, add_endpoint, add_event

MANY = """
insert into relay.delivery (event_seq, endpoint_id, state, size, ended_at)
select n, case when n % 4 = 0 then $1::uuid else gen_random_uuid() end, 'dead', 2, now()
from generate_series(1, 20000) as n
"""
ATTEMPTS = """
insert into relay.attempt (
  event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code, stale, ended, outcome, trigger_type,
  url, request_headers)
select
  n, $1, 1, now() - n * interval '100 milliseconds', 1, n % 100, 200, false, true,
  case when n % 10 = 0 then 'retrying' else 'delivered' end, 'automatic', 'https://example.com/', '{}'
from generate_series(1, 2900) as n
"""


async def health_of(dsn: str, endpoint_id: UUID) -> EndpointHealth:
    session = Session(dsn, name="test")
    try:
        return await endpoint_pages.health(session, endpoint_id)
    finally:
        await session.close()


async def filled(connection: Connection) -> UUID:
    """Return an endpoint with a quarter of the many deliveries, and an attempt every tenth of a second."""
    endpoint_id = await add_endpoint(connection)
    await connection.execute(MANY, endpoint_id)
    await connection.execute(ATTEMPTS, endpoint_id)
    return endpoint_id


async def test_few_are_counted_one_by_one(database: str) -> None:
    async with connected(database) as connection:
        endpoint_id = await add_endpoint(connection)
        for state in ("dead", "retrying", "pending"):
            seq, _ = await add_event(connection)
            due = {"next_attempt_at": None} if state == "dead" else {}
            await add_delivery(connection, seq, endpoint_id, state=state, **due)
            await add_attempt(connection, seq, endpoint_id, outcome="retrying")
        await add_attempt(connection, seq, endpoint_id, attempt=2)
    found = await health_of(database, endpoint_id)
    assert (found.dead, found.retrying, found.pending, found.held) == (1, 1, 1, 0)
    assert (found.attempts, found.success_ratio) == (4, 0.25)
    assert not found.is_estimate


async def test_many_are_exact_as_long_as_they_fit(database: str) -> None:
    async with connected(database) as connection:
        endpoint_id = await filled(connection)
    found = await health_of(database, endpoint_id)
    assert (found.dead, found.attempts, found.is_estimate) == (5000, 2900, False)
    assert found.success_ratio == pytest.approx(0.9)


async def test_of_very_many_a_part_is_looked_at(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_pages, "MOST_BLOCKS", 40)
    monkeypatch.setattr(endpoint_pages, "MOST_ATTEMPTS", 500)
    async with connected(database) as connection:
        endpoint_id = await filled(connection)
    found = await health_of(database, endpoint_id)
    assert found.is_estimate
    assert found.dead == pytest.approx(5000, rel=0.5)
    assert found.attempts == pytest.approx(2900, rel=0.5)
    assert found.success_ratio == pytest.approx(0.9, abs=0.05)
    assert found.p50_ms == pytest.approx(50, abs=15)
    assert (await health_of(database, endpoint_id)).dead == found.dead
