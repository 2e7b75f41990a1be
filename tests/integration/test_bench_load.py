"""What goes on beside a measurement: a load, a probe, and the count of statements."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiohttp import web

from relay.bench import statements
from relay.bench.load import Connection
from relay.bench.probe import probed
from relay.bench.stage import OBSERVER, SUBJECT, Stage, set_stage
from relay.bench.steady import Load, LoadFailed, steadily
from tests.support.waiting import eventually


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with set_stage() as there:
        yield there


def load(dsn: str, *, rate: float = 400) -> Load:
    return Load(dsn=dsn, user=OBSERVER, rate=rate, a_transaction=4, types=("a", "b"))


async def _has_events(observer: Connection, least: int) -> bool:
    count: int = await observer.fetchval("select count(*) from relay.outbox")
    return count >= least


async def test_a_steady_load_commits_at_its_rate_and_knows_what_it_committed(stage: Stage) -> None:
    async with stage.database("steady") as dsn, stage.observer(dsn) as observer:
        async with steadily(load(dsn)) as running:
            await eventually(lambda: _has_events(observer, 400), "a second has passed")
            done = await running.stop()
        found = await observer.fetch(
            "select event_type, count(*) as events, max(octet_length(payload::text)) as size,"
            " count(distinct xmin::text) as transactions from relay.outbox group by event_type order by event_type"
        )

    assert [row["event_type"] for row in found] == ["a", "b"]
    assert [row["events"] for row in found] == [done.events / 2] * 2
    assert {row["size"] for row in found} == {1024}
    assert {row["transactions"] for row in found} == {done.events / 4}
    assert done.per_second < 480
    assert 0 < done.cores < 1


async def test_a_load_that_cannot_commit_is_no_load(stage: Stage) -> None:
    async with stage.database("without_outbox") as dsn, stage.observer(dsn) as observer:
        await observer.execute("drop table relay.outbox cascade")

        async with steadily(load(dsn)) as running:
            with pytest.raises(LoadFailed, match="status 1"):
                await running.stop()


async def test_statements_are_counted_of_whatever_kind(stage: Stage) -> None:
    async with stage.database("counted") as dsn, stage.observer(dsn) as observer:
        subject = await asyncpg.connect(dsn, user=SUBJECT)
        before, each_before = await _counts(observer)
        for _ in range(3):
            await subject.fetchval("select 1", timeout=5)
        prepared = await subject.prepare("select count(*) from relay.endpoint where id is distinct from $1")
        await prepared.fetch(None)
        await subject.execute("listen something")
        after, each_after = await _counts(observer)
        await subject.close()

    assert after - before == 5
    assert sorted((each_after - each_before).values()) == [1, 1, 3]


async def _counts(observer: Connection) -> tuple[int, Counter[str]]:
    return await statements.count(observer, SUBJECT), await statements.count_each(observer, SUBJECT)


async def test_a_loop_that_stands_still_is_asked_again_meanwhile() -> None:
    goes_on = asyncio.Event()

    async def healthz(_: web.Request) -> web.Response:
        await goes_on.wait()
        return web.Response()

    async def work() -> str:
        await asyncio.sleep(0.5)
        goes_on.set()
        await asyncio.sleep(0.2)
        return "done"

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        result, lag = await probed(runner.addresses[0][1], work())
    finally:
        await runner.cleanup()

    assert result == "done"
    assert sum(each > 60 for each in lag.sorted_ms) >= 8
    assert 450 < lag.most < 700
    assert lag.sorted_ms[0] < 50
