"""What the list of alerts shows, and to whom."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from relay.admin.operations.alerts import Alert, list_alerts
from relay.admin.operations.errors import InvalidInput
from relay.store.session import Session
from tests.support.database import Connection, connected

OURS, THEIRS = uuid4(), uuid4()


@pytest.fixture
async def session(database: str) -> AsyncIterator[Session]:
    """Provide a session on a database with an endpoint of each of two tenants, and four alerts."""
    async with connected(database) as connection:
        await connection.execute(
            "insert into relay.endpoint (id, url, tenant)"
            " values ($1, 'https://a.example/', 'ours'), ($2, 'https://b.example/', 'theirs')",
            OURS,
            THEIRS,
        )
        await raised(connection, "low_delivery_rate", None, is_over=True)
        await raised(connection, "low_delivery_rate", OURS)
        await raised(connection, "low_delivery_rate", THEIRS)
        await raised(connection, "database_away", None)
    session = Session(database, name="test")
    try:
        yield session
    finally:
        await session.close()


async def raised(
    connection: Connection, alert: str, endpoint_id: UUID | None, *, is_over: bool = False
) -> None:
    await connection.execute(
        "insert into relay.alert (alert, endpoint_id, summary, detail, cleared_at)"
        " values ($1, $2, 'Look at it', '{\"ratio\": 0.5}', case when $3 then now() end)",
        alert,
        endpoint_id,
        is_over,
    )


async def listed(
    session: Session,
    *,
    active: bool | None = None,
    tenant: str | None = None,
    before: int | None = None,
    limit: int = 10,
) -> list[Alert]:
    return await list_alerts(session, active=active, tenant=tenant, before=before, limit=limit)


async def test_the_newest_comes_first_with_all_that_is_known_of_it(session: Session) -> None:
    alerts = await listed(session)

    assert [each.endpoint_id for each in alerts] == [None, THEIRS, OURS, None]
    assert alerts[0].alert == "database_away"
    assert alerts[0].summary == "Look at it"
    assert alerts[0].detail == {"ratio": 0.5}
    assert alerts[0].raised_at.tzinfo is not None


async def test_those_that_last_and_those_that_are_over_can_be_told_apart(session: Session) -> None:
    lasting, over = await listed(session, active=True), await listed(session, active=False)

    assert [each.cleared_at for each in lasting] == [None] * 3
    assert len(over) == 1
    assert over[0].cleared_at is not None


async def test_a_tenant_sees_those_of_its_endpoints_and_nothing_of_everything(session: Session) -> None:
    assert [each.endpoint_id for each in await listed(session, tenant="ours")] == [OURS]
    assert await listed(session, tenant="") == []


async def test_a_page_begins_where_the_one_before_ended(session: Session) -> None:
    first = await listed(session, limit=3)
    second = await listed(session, limit=3, before=first[-1].id)

    assert [len(first), len(second)] == [3, 1]
    assert second[0].id < first[-1].id


async def test_a_tenant_that_cannot_be_stored_is_refused(session: Session) -> None:
    with pytest.raises(InvalidInput, match="tenant"):
        await listed(session, tenant="\0")
