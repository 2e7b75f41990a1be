"""pgqueuer: a job queue on PostgreSQL and asyncpg, https://pgqueuer.readthedocs.io."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer import AsyncpgDriver, AsyncpgPoolDriver, Job, Queries, QueueManager
from pgqueuer.types import QueueExecutionMode

from tests.bench.peers.common import SYNCHRONOUS_COMMIT, Poster, Task, run

SETTINGS = {
    "batch 10": {"batch_size": 10, "connections": 2},
    "batch 50": {"batch_size": 50, "connections": 2},
    "batch 200": {"batch_size": 200, "connections": 4},
}
ENTRYPOINT = "deliver"
JOBS_A_STATEMENT = 1000


async def load(dsn: str, task: Task) -> None:
    """Put the jobs in."""
    connection = await asyncpg.connect(dsn)
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    jobs = [json.dumps([str(event_id), endpoint, body]).encode() for event_id, endpoint, body in task.jobs()]
    for first in range(0, len(jobs), JOBS_A_STATEMENT):
        batch = jobs[first : first + JOBS_A_STATEMENT]
        await queries.enqueue([ENTRYPOINT] * len(batch), batch, [0] * len(batch))
    await connection.close()


async def work(dsn: str, task: Task, setting: Mapping[str, Any]) -> None:
    """Do them all, at most 1000 at once, as Relay."""
    pool = await asyncpg.create_pool(
        dsn,
        min_size=setting["connections"],
        max_size=setting["connections"],
        server_settings={"synchronous_commit": SYNCHRONOUS_COMMIT},
    )
    manager = QueueManager(Queries(AsyncpgPoolDriver(pool)))
    async with Poster(task) as poster:

        @manager.entrypoint(ENTRYPOINT)
        async def deliver(job: Job) -> None:
            event_id, endpoint, body = json.loads(job.payload or b"")
            await poster.post(event_id, endpoint, body.encode())

        await manager.run(
            batch_size=setting["batch_size"],
            mode=QueueExecutionMode.drain,
            max_concurrent_tasks=1000,
            dequeue_timeout=timedelta(seconds=1),
        )
    await pool.close()


if __name__ == "__main__":
    run(load=load, work=work, settings=SETTINGS)
