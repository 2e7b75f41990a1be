"""What a sign of life brings along."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.store.instance import Instance
from relay.store.session import Session
from relay.store.watch import Backoff, DatabaseWatch
from tests.support.application import Application

IN_TIME = 5.0
RUNNING = """
insert into relay.operation (kind, selection, actor, state) values ('retry', '{}', 'somebody', 'running')
"""


@pytest.fixture
async def instance(database: str) -> AsyncIterator[Instance]:
    """The active relay of the database; it knows of no operation."""
    session, patient = Session(database, name="listener"), Session(database, name="admin")
    made = Instance(
        session=session,
        patient=patient,
        backoff=Backoff(DatabaseWatch(), "listener"),
        activated=lambda: None,
    )
    await made.register([])
    beating = asyncio.create_task(made.run())
    async with asyncio.timeout(IN_TIME):
        await made.active.wait()
    made.has_operation.clear()
    yield made
    beating.cancel()
    await session.close()
    await patient.close()


@pytest.mark.parametrize("change", [RUNNING, "delete from relay.relay_instance"])
async def test_an_operation_is_heard_of_and_without_a_row_of_ours_asked_for(
    instance: Instance, database: str, change: str
) -> None:
    async with Application(database) as application:
        await application.execute(change)

    async with asyncio.timeout(IN_TIME):
        await instance.has_operation.wait()


async def test_without_an_operation_none_is_heard_of(instance: Instance) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.5):
            await instance.has_operation.wait()
