"""`relay delivery tail`: every attempt once, in the order in which they ended."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from relay.admin.operations.delivery_tail import Tail, TailedAttempt, TailFilter
from relay.store.session import Session
from tests.support.command_line import CommandLine, Rows, cli, rows

__all__ = ["cli", "rows"]

FIELDS = [
    *("event_id", "event_type", "endpoint_id", "url", "attempt", "trigger_type", "stale", "status_code"),
    *("error_code", "error", "duration_ms", "attempted_at", "next_attempt_at", "outcome"),
]


def claims(cli: CommandLine, *arguments: object) -> list[int]:
    lines = cli.run("delivery", "tail", "--no-follow", *arguments).out.splitlines()
    return [json.loads(line)["attempt"] for line in lines]


def test_tail_prints_the_last_attempts_oldest_first(cli: CommandLine, rows: Rows) -> None:
    endpoint_id, event, now = rows.endpoint(), rows.event(), datetime.now(UTC)
    for number, age in enumerate((3000, 300, 5, 4), start=1):
        began = now - timedelta(seconds=age)
        rows.attempt(endpoint_id, event, claim=number, attempt=number, attempted_at=began)
    assert claims(cli, "-n", "2") == [3, 4]
    assert claims(cli, "-n", "3") == [2, 3, 4]
    assert claims(cli) == [1, 2, 3, 4]
    assert claims(cli, "-n", "0") == []
    line = cli.run("delivery", "tail", "--no-follow", "-n", "1").out
    assert list(json.loads(line)) == FIELDS


def test_tail_filters(cli: CommandLine, rows: Rows) -> None:
    first, second = rows.endpoint(), rows.endpoint()
    rows.attempt(first, rows.event(tenant="acme"), attempt=1)
    failed = {"outcome": "retrying", "status_code": 503, "ended": False}
    rows.attempt(second, rows.event(event_type="order.late"), attempt=2, **failed)
    assert claims(cli, "--endpoint", second) == [2]
    assert claims(cli, "--type", "order.*") == [2]
    assert claims(cli, "--tenant", "acme") == [1]
    assert claims(cli, "--outcome", "retrying") == [2]
    assert claims(cli, "--status-code", "200") == [1]


def test_tail_on_a_terminal_is_a_line_an_attempt(cli: CommandLine, rows: Rows) -> None:
    endpoint_id, event = rows.endpoint(), rows.event()
    rows.attempt(endpoint_id, event)
    out = cli.run("delivery", "tail", "--no-follow", "-o", "table").out
    assert out.count("\n") == 1
    assert f"{event['id']}/{endpoint_id}" in out
    assert " delivered 200 " in out


@pytest.mark.parametrize("arguments", [["--endpoint", "x"], ["-n", "-1"], ["--outcome", "lost"]])
def test_tail_refuses_bad_options(cli: CommandLine, arguments: list[str]) -> None:
    assert cli.run("delivery", "tail", *arguments).code == 2


async def more(tail: Tail) -> list[int]:
    return [attempt.attempt async for attempt in tail.more()]


async def test_more_has_each_attempt_once_however_late_it_was_recorded(database: str) -> None:
    rows = Rows(database)
    endpoint_id, event = await asyncio.to_thread(lambda: (rows.endpoint(), rows.event()))
    session = Session(database, name="test")

    async def record(number: int, *, ended: timedelta, took: timedelta = timedelta(0)) -> None:
        began = datetime.now(UTC) - ended - took
        milliseconds = took // timedelta(milliseconds=1)
        await asyncio.to_thread(
            lambda: rows.attempt(
                endpoint_id, event, claim=number, attempt=number, attempted_at=began, duration_ms=milliseconds
            )
        )

    try:
        await record(1, ended=timedelta(seconds=1))
        tail = Tail(session, TailFilter())
        assert [each.attempt for each in await tail.last(10)] == [1]
        assert await more(tail) == []
        await record(2, ended=timedelta(0))
        assert await more(tail) == [2]
        # It began long before, and is recorded after others that ended later.
        await record(3, ended=timedelta(seconds=5), took=timedelta(minutes=5))
        await record(4, ended=timedelta(seconds=4))
        assert await more(tail) == [3, 4]
        assert await more(tail) == []
    finally:
        await session.close()


async def test_more_goes_through_pages_without_loss(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.admin.operations.delivery_tail._PAGE", 7)
    session = Session(database, name="test")
    connection = await asyncpg.connect(database)
    seen: list[TailedAttempt] = []
    try:
        tail = Tail(session, TailFilter())
        await tail.last(0)
        await fill(connection, 100)
        seen += [each async for each in tail.more()]
        seen += [each async for each in tail.more()]
    finally:
        await connection.close()
        await session.close()
    assert [each.attempt for each in seen] == list(range(1, 101))


async def fill(connection: "asyncpg.Connection[asyncpg.Record]", number: int) -> None:
    await connection.execute("insert into relay.outbox (event_type, payload) values ('a', '1')")
    await connection.execute(
        "insert into relay.attempt (event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, "
        "stale, ended, outcome, trigger_type, url, request_headers) "
        "select seq, $1, n, now() + n * interval '1 millisecond', n, 1, "
        "false, false, 'retrying', 'automatic', 'u', '{}' "
        "from relay.outbox, generate_series(1, $2::int) n",
        UUID(int=1),
        number,
    )
