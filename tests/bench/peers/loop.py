"""A plain loop as applications write it: `SELECT ... FOR UPDATE SKIP LOCKED`, one row at a time, and aiohttp."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

from tests.bench.peers.common import SYNCHRONOUS_COMMIT, Poster, Task, run

SETTINGS = {
    "8 connections": {"connections": 8},
    "24 connections": {"connections": 24},
    "80 connections": {"connections": 80},
}
SCHEMA = """
create table job (
  id bigint generated always as identity primary key,
  event_id uuid not null,
  endpoint integer not null,
  body text not null
);
create table attempt (
  event_id uuid not null,
  endpoint integer not null,
  status_code integer not null,
  attempted_at timestamptz not null default now()
);
"""
CLAIM = "select id, event_id, endpoint, body from job order by id limit 1 for update skip locked"
RECORD = "insert into attempt (event_id, endpoint, status_code) values ($1, $2, $3)"
DELETE = "delete from job where id = $1"


async def load(dsn: str, task: Task) -> None:
    """Put the jobs in."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(SCHEMA)
    await connection.copy_records_to_table(
        "job", records=list(task.jobs()), columns=["event_id", "endpoint", "body"]
    )
    await connection.close()


async def work(dsn: str, task: Task, setting: Mapping[str, Any]) -> None:
    """Do them all."""
    async with Poster(task) as poster, asyncio.TaskGroup() as working:
        for _ in range(setting["connections"]):
            working.create_task(_work(dsn, poster))


async def _work(dsn: str, poster: Poster) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"synchronous_commit": SYNCHRONOUS_COMMIT})
    claim, record, delete = [await connection.prepare(each) for each in (CLAIM, RECORD, DELETE)]
    has_job = True
    while has_job:
        async with connection.transaction():
            job = await claim.fetchrow()
            has_job = job is not None
            if job is not None:
                status = await poster.post(str(job["event_id"]), job["endpoint"], job["body"].encode())
                await record.fetch(job["event_id"], job["endpoint"], status)
                await delete.fetch(job["id"])
    await connection.close()


if __name__ == "__main__":
    run(load=load, work=work, settings=SETTINGS)
