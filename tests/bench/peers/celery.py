"""Celery with Redis as the broker and requests as the client, https://docs.celeryq.dev. The `dsn` is Redis's URL."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import local
from typing import Any

import requests
from celery import Celery

from tests.bench.peers.common import Task, headers_of, run

SETTINGS = {
    "2 processes": {"options": ["--pool=prefork", "--concurrency=2"]},
    "8 processes": {"options": ["--pool=prefork", "--concurrency=8"]},
    "32 threads": {"options": ["--pool=threads", "--concurrency=32"]},
}
URL, TASK = os.environ.get("BENCH_REDIS", ""), os.environ.get("BENCH_TASK", "")

app = Celery("tests.bench.peers.celery", broker=URL)
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=64, task_acks_late=True)
_mine = local()


@app.task(name="deliver")
def deliver(event_id: str, endpoint: int, body: str) -> None:
    """Deliver one event, over a session for each thread or process."""
    if not hasattr(_mine, "session"):
        _mine.session, _mine.task = requests.Session(), Task.read(Path(TASK))
    content = body.encode()
    response = _mine.session.post(
        _mine.task.urls[endpoint],
        data=content,
        headers=headers_of(_mine.task, event_id, endpoint, content),
        allow_redirects=False,
        timeout=30,
    )
    response.raise_for_status()


async def load(dsn: str, task: Task) -> None:
    """Put the jobs in."""
    app.conf.broker_url = dsn
    with app.producer_pool.acquire() as producer:
        for event_id, endpoint, body in task.jobs():
            deliver.apply_async((str(event_id), endpoint, body), producer=producer)


async def work(dsn: str, task: Task, setting: Mapping[str, Any]) -> None:  # noqa: ARG001 - the worker reads it itself
    """Do them, until it is stopped."""
    arguments = ["-m", "celery", "-A", "tests.bench.peers.celery", "worker", "--loglevel=WARNING"]
    environment = {**os.environ, "BENCH_REDIS": dsn}
    os.execve(sys.executable, [sys.executable, *arguments, *setting["options"]], environment)  # noqa: S606 - as above


if __name__ == "__main__":
    run(load=load, work=work, settings=SETTINGS)
