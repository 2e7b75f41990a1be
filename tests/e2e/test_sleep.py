"""The relay sleeps when there is nothing to do, and no commit fails to wake it."""

import asyncio
import random

import asyncpg

from tests.support.application import Application
from tests.support.waiting import eventually
from tests.support.world import World

ONLY_NOTIFY = {"database": {"poll_interval": "30s"}}
"""So long that nothing but a notification can explain a delivery in time."""
IN_TIME = 5.0


async def is_armed(application: Application) -> bool:
    """Say whether the relay has asked to be notified."""
    return bool(
        await application.fetchval(
            "select last_value > extract(epoch from clock_timestamp()) from relay.armed_until"
        )
    )


async def test_no_commit_at_any_moment_fails_to_wake_it(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    await world.start(ONLY_NOTIFY)
    gaps = random.Random(20)  # noqa: S311 - a scenario that is the same each time
    latencies = []
    for _ in range(150):
        await asyncio.sleep(gaps.choice([0, 0, 0.001, 0.003, 0.01, 0.03]) * gaps.random())
        loop = asyncio.get_running_loop()
        event_id = await world.application.insert()
        committed = loop.time()
        if gaps.random() < 0.5:
            request = await world.receiver.wait_for_event(event_id, limit=IN_TIME)
            latencies.append(request.at - committed)

    await world.receiver.wait_for_requests(150, limit=IN_TIME)
    assert max(latencies) < 1.0


async def test_an_event_that_comes_while_a_backlog_is_read_in_pages_is_not_left_to_the_poll(
    world: World,
) -> None:
    await world.application.add_endpoint(world.receiver.url())
    await world.start({**ONLY_NOTIFY, "delivery": {"max_in_flight": 40}})
    gaps = random.Random(21)  # noqa: S311 - as above
    for _ in range(8):
        await world.application.insert_all(['{"id": 1}'] * 300)
        await asyncio.sleep(gaps.random() * 0.5)
        event_id = await world.application.insert()
        await world.receiver.wait_for_event(event_id, limit=IN_TIME)


async def test_concurrent_writers_that_commit_whenever_they_like_are_all_heard(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    await world.start(ONLY_NOTIFY)

    async def write(seed: int) -> None:
        gaps = random.Random(seed)  # noqa: S311 - as above
        connection = await asyncpg.connect(world.dsn)
        try:
            for _ in range(15):
                async with connection.transaction():
                    await connection.execute(
                        "insert into relay.outbox (event_type, payload) values ('a', '{}')"
                    )
                    await asyncio.sleep(gaps.random() * 0.02)
        finally:
            await connection.close()

    async with asyncio.TaskGroup() as writers:
        for seed in range(8):
            writers.create_task(write(seed))

    await world.receiver.wait_for_requests(120, limit=IN_TIME)
    assert set(world.receiver.counts().values()) == {1}


async def test_while_many_commit_at_once_none_is_asked_to_notify(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    await world.start(ONLY_NOTIFY)
    await eventually(lambda: is_armed(world.application), "armed")
    inserted, stop = 0, asyncio.Event()

    async def write() -> None:
        nonlocal inserted
        async with Application(world.dsn) as writer:
            while not stop.is_set():
                await writer.execute("insert into relay.outbox (event_type, payload) values ('a', '{}')")
                inserted += 1

    async def is_down() -> bool:
        return not await is_armed(world.application)

    async with asyncio.TaskGroup() as writers:
        for _ in range(8):
            writers.create_task(write())
        try:
            await eventually(is_down, "the flag is down")
        finally:
            stop.set()

    await eventually(lambda: is_armed(world.application), "armed again")
    await world.receiver.wait_for_requests(inserted, limit=IN_TIME)
    await world.receiver.wait_for_event(await world.application.insert(), limit=IN_TIME)


async def test_a_transaction_that_began_before_it_went_to_sleep_wakes_it(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    async with Application(world.dsn) as early:
        connection = await early.connection()
        async with connection.transaction():
            await connection.execute("insert into relay.outbox (event_type, payload) values ('a', '{}')")
            await world.start(ONLY_NOTIFY)
            await eventually(lambda: is_armed(world.application), "armed")
        await world.receiver.wait_for_requests(1, limit=IN_TIME)


async def test_without_listening_it_polls_and_asks_nobody_to_notify(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    await world.start({"database": {"listen": False, "poll_interval": "100ms"}})
    for _ in range(5):
        event_id = await world.application.insert()
        await world.receiver.wait_for_event(event_id, limit=1.0)

    assert not await is_armed(world.application)


async def test_a_relay_that_sleeps_hardly_asks_the_database(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start()
    await daemon.wait_for_log("delivery.delivered", event_id=await world.application.insert())
    await eventually(lambda: is_armed(world.application), "armed")
    async with Application(world.dsn.replace(await database_name(world), "postgres")) as observer:
        name = await database_name(world)
        await world.application.__aexit__()
        before = await transactions(observer, name)
        await asyncio.sleep(4)
        asked = await transactions(observer, name) - before

    assert asked <= 40, "in 4 s: a look, a beat and a ping each second, and the flag now and then"


async def database_name(world: World) -> str:
    name: str = await world.application.fetchval("select current_database()")
    return name


async def transactions(observer: Application, name: str) -> int:
    count: int = await observer.fetchval(
        "select xact_commit + xact_rollback from pg_stat_database where datname = $1", name
    )
    return count
