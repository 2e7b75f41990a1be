"""What the figures are measured with, each against a real server."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from relay.bench.backlog import start_and_work_off
from relay.bench.load import Connection, Shape, add_events
from relay.bench.proof import prove
from relay.bench.scene import Scenery, make_template, set_scene
from relay.bench.server_log import StatementLog
from relay.bench.stage import Stage, set_stage
from relay.bench.startup import watch_startup
from tests.bench.full_database import Fullness, nobody_listens

SHAPE = Shape(endpoints=2, payload=200)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with set_stage(options={"fsync": "off"}) as stage:
        yield stage


@pytest.fixture
def dead_url() -> Iterator[str]:
    with nobody_listens() as url:
        yield url


async def test_a_copy_of_a_full_database_counts_only_what_is_new(stage: Stage, dead_url: str) -> None:
    fullness = Fullness(events=50, url=dead_url)
    async with (
        make_template(stage, Scenery(shape=SHAPE), fullness.fill) as template,
        set_scene(stage, Scenery(shape=SHAPE, template=template)) as scene,
    ):
        before = await scene.observer.fetchrow(
            "select (select count(*) from relay.attempt) as attempts, (select count(*) from relay.fresh) as fresh,"
            " count(*) filter (where next_attempt_at <= now()) as due,"
            " count(*) filter (where next_attempt_at > now() + interval '1 day') as later from relay.delivery"
        )
        await add_events(scene.observer, 200, SHAPE)
        log = await StatementLog.begin(stage.server.data_dir, scene.observer)
        rate = await start_and_work_off(scene, 200)
        proof = await prove(scene, 200)

    assert before is not None
    assert dict(before) == {"attempts": 500, "fresh": 0, "due": 50, "later": 50}
    assert (rate.deliveries, proof.is_sound, proof.checked) == (200, True, 2)
    assert {"claim", "fan-out", "record"} <= {each.session for each in log.statements()}
    assert all(each.ms > 0 for each in log.statements())


async def test_a_start_is_timed_from_its_first_statement(stage: Stage) -> None:
    async def fill(_: str, connection: Connection) -> None:
        await add_events(connection, 100, SHAPE)

    async with (
        make_template(stage, Scenery(shape=SHAPE), fill) as template,
        set_scene(stage, Scenery(shape=SHAPE, template=template)) as scene,
    ):
        found = await watch_startup(scene, 3.0)

    assert 0 < found.from_database < found.from_process
    assert found.requests == 100
    assert found.rss_mb > 20
    assert found.slowest_ms > 0


async def test_nobody_listens_where_connections_are_refused(dead_url: str) -> None:
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get(dead_url)
