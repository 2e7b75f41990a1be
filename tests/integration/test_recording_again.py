"""Outcomes that are recorded twice, since the first answer was lost."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from relay.model import Delivered, Retrying
from relay.pipeline.batch import columns
from relay.store.sql import query
from tests.support.database import Connection
from tests.support.results import claim, result
from tests.support.rows import add_delivery, add_event

ME, OTHER = 7, 8
LATER = datetime(2040, 1, 1, tzinfo=UTC)


async def record(connection: Connection, key: tuple[int, UUID], outcome: Any) -> list[str]:
    """Record the outcome of the first claim of a delivery; returns what is said of it."""
    of = result(claim(key[0], endpoint_id=key[1]), outcome)
    rows = await connection.fetch(query("record"), *columns([of], ME))
    return [row["what"] for row in rows]


@pytest.mark.parametrize("outcome", [Delivered(), Retrying(delay=5.0)])
async def test_what_is_recorded_already_is_told_apart_from_what_came_too_late(
    rolled_back: Connection, outcome: Any
) -> None:
    seq, _ = await add_event(rolled_back)
    key = (seq, await add_delivery(rolled_back, seq, claimed_by=ME, claim=1, next_attempt_at=LATER))

    assert await record(rolled_back, key, outcome) == []
    assert await record(rolled_back, key, outcome) == ["recorded"]
    assert await rolled_back.fetchval("select count(*) from relay.attempt where not stale") == 1


async def test_what_came_too_late_stays_that(rolled_back: Connection) -> None:
    seq, _ = await add_event(rolled_back)
    key = (seq, await add_delivery(rolled_back, seq, claimed_by=OTHER, claim=1, next_attempt_at=LATER))

    for _ in range(2):
        assert await record(rolled_back, key, Delivered()) == ["stale"]
