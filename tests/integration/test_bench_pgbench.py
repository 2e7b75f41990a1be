"""The application that inserts, against a real server."""

from functools import partial
from pathlib import Path

import pytest

from relay.bench.load import Shape
from relay.bench.scene import Scenery, set_scene
from relay.bench.stage import set_stage
from relay.embedded.binaries import find_tool
from relay.embedded.errors import NoBinaries
from tests.bench.harness import Unsound
from tests.bench.pgbench import insert


async def test_clients_insert_as_many_rows_as_they_count(tmp_path: Path) -> None:
    try:
        find_tool("pgbench", None)
    except NoBinaries as missing:
        pytest.skip(str(missing))
    statement = "insert into relay.outbox (event_type, payload) values ('a', '{}');"
    async with (
        set_stage(options={"fsync": "off"}) as stage,
        set_scene(stage, Scenery(shape=Shape(endpoints=1))) as scene,
    ):
        inserting = partial(insert, scene.dsn, folder=tmp_path, seconds=1)
        found = await inserting(statement, rate=100)
        rows = await scene.observer.fetchval("select count(*) from relay.outbox")
        with pytest.raises(Unsound, match="exactly one of payload and body"):
            await inserting("insert into relay.outbox (event_type) values ('a');")

    assert found.count == rows > 0
    assert 0 < found.p50_ms <= found.p99_ms
    assert 0 < found.per_second < 200
