"""procrastinate: a task queue on PostgreSQL and psycopg, https://procrastinate.readthedocs.io."""

from collections.abc import Mapping
from typing import Any

from procrastinate import App, PsycopgConnector

from tests.bench.peers.common import SYNCHRONOUS_COMMIT, Poster, Task, run

SETTINGS = {
    "10 at once": {"concurrency": 10, "connections": 10},
    "50 at once": {"concurrency": 50, "connections": 20},
    "200 at once": {"concurrency": 200, "connections": 40},
}
JOBS_A_STATEMENT = 1000


def _app(dsn: str, connections: int) -> App:
    options = f"-c synchronous_commit={SYNCHRONOUS_COMMIT}"
    connector = PsycopgConnector(
        conninfo=dsn, min_size=connections, max_size=connections, kwargs={"options": options}
    )
    return App(connector=connector)


async def load(dsn: str, task: Task) -> None:
    """Put the jobs in."""
    app = _app(dsn, 2)
    deliver = app.task(name="deliver")(_deliver_nothing)
    jobs = [
        {"event_id": str(event_id), "endpoint": endpoint, "body": body}
        for event_id, endpoint, body in task.jobs()
    ]
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for first in range(0, len(jobs), JOBS_A_STATEMENT):
            await deliver.batch_defer_async(*jobs[first : first + JOBS_A_STATEMENT])


async def work(dsn: str, task: Task, setting: Mapping[str, Any]) -> None:
    """Do them all."""
    app = _app(dsn, setting["connections"])
    async with Poster(task) as poster, app.open_async():

        @app.task(name="deliver")
        async def deliver(event_id: str, endpoint: int, body: str) -> None:
            await poster.post(event_id, endpoint, body.encode())

        await app.run_worker_async(
            concurrency=setting["concurrency"],
            wait=False,
            listen_notify=False,
            install_signal_handlers=False,
        )


async def _deliver_nothing(event_id: str, endpoint: int, body: str) -> None:
    """Stand for the task where jobs are only put in."""


if __name__ == "__main__":
    run(load=load, work=work, settings=SETTINGS)
