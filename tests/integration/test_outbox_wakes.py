"""When an insert into relay.outbox sends a NOTIFY, and when it does not."""

import asyncio

import asyncpg
import pytest

from tests.support.database import Connection, connected

EVENT = "insert into relay.outbox (event_type, payload) values ('a', '1')"


class Wakes:
    """A connection that listens as the relay does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard: asyncio.Queue[str] = asyncio.Queue()

    async def start(self) -> None:
        for channel in ("relay_wake", "fence"):
            await self._connection.add_listener(channel, self._hear)

    def _hear(self, _connection: object, _pid: int, channel: str, _payload: object) -> None:
        self._heard.put_nowait(channel)

    async def heard_before_fence(self, sender: Connection) -> list[str]:
        """Return what was heard of all that was committed before now."""
        await sender.execute("notify fence")
        heard = []
        while (channel := await asyncio.wait_for(self._heard.get(), 10)) != "fence":
            heard.append(channel)
        return heard


async def test_applications_send_a_notify_only_while_the_relay_asks_for_it(any_database: str) -> None:
    async with connected(any_database) as application, connected(any_database) as relay:
        wakes = Wakes(relay)
        await wakes.start()
        await application.execute(EVENT)
        assert await wakes.heard_before_fence(application) == []

        await relay.execute(
            "select setval('relay.armed_until', extract(epoch from now() + interval '1 minute')::bigint)"
        )
        await application.execute(EVENT)
        assert await wakes.heard_before_fence(application) == ["relay_wake"]

        await relay.execute("select setval('relay.armed_until', extract(epoch from now())::bigint - 1)")
        await application.execute(EVENT)
        assert await wakes.heard_before_fence(application) == []


async def test_a_prepared_transaction_works_unless_the_relay_asks_for_a_notify(
    any_connection: Connection,
) -> None:
    await any_connection.execute("begin")
    await any_connection.execute(EVENT)
    await any_connection.execute("prepare transaction 'one'")
    await any_connection.execute("commit prepared 'one'")
    assert await any_connection.fetchval("select count(*) from relay.fresh") == 1

    await any_connection.execute("select setval('relay.armed_until', 4102444800)")
    await any_connection.execute("begin")
    await any_connection.execute(EVENT)
    with pytest.raises(asyncpg.FeatureNotSupportedError):
        await any_connection.execute("prepare transaction 'two'")
