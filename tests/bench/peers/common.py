"""What all peers share: the task, the signed POST, and the command line."""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import aiohttp
import uvloop

from relay.http.signature import Secret, SignatureFormat, parse_secret, sign

SYNCHRONOUS_COMMIT = "off"
"""As in the sessions of Relay that move deliveries: what a crash forgets is repeated, not lost."""
EVENT_TYPE = "bench.peer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be delivered: `events` bodies of `payload` bytes, in turn to each endpoint."""

    events: int
    payload: int
    urls: tuple[str, ...]
    secrets: tuple[Secret, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file that `write_task` wrote."""
        task = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            events=task["events"],
            payload=task["payload"],
            urls=tuple(task["urls"]),
            secrets=tuple(parse_secret(each) for each in task["secrets"]),
        )

    def jobs(self) -> Iterator[tuple[UUID, int, str]]:
        """Yield event id, endpoint and body of every job."""
        for number in range(self.events):
            head = f'{{"id": {number}, "text": "'
            body = head + "x" * (self.payload - len(head) - 2) + '"}'
            yield uuid4(), number % len(self.urls), body


def write_task(path: Path, *, events: int, payload: int, urls: list[str], secrets: list[str]) -> None:
    """Write down what is to be delivered, for both steps of a peer."""
    task = {"events": events, "payload": payload, "urls": urls, "secrets": secrets}
    path.write_text(json.dumps(task), encoding="utf-8")


def headers_of(task: Task, event_id: str, endpoint: int, body: bytes) -> dict[str, str]:
    """Return the headers that Relay sends, signed now in both formats."""
    secret = task.secrets[endpoint]
    return {
        "User-Agent": "Peer/1.0",
        "Content-Type": "application/json",
        "X-Webhook-Id": event_id,
        **dict(sign(event_id, int(time.time()), body, (secret,), SignatureFormat.BOTH)),
        "X-Webhook-Event": EVENT_TYPE,
        "X-Webhook-Attempt": "1",
    }


class Poster:
    """Makes the POSTs over one pooled session without a limit of its own."""

    def __init__(self, task: Task) -> None:
        self._task = task

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding"),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, event_id: str, endpoint: int, body: bytes) -> int:
        """Deliver one event and return the status; anything but a 2xx raises."""
        headers = headers_of(self._task, event_id, endpoint, body)
        async with self._session.post(
            self._task.urls[endpoint], data=body, headers=headers, allow_redirects=False
        ) as response:
            await response.read()
            response.raise_for_status()
            return response.status


Load = Callable[[str, Task], Awaitable[None]]
Work = Callable[[str, Task, Mapping[str, Any]], Awaitable[None]]


def run(*, load: Load, work: Work, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Run what the command line asks for: `load` puts the jobs in, `work` does them all and ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=["load", "work"])
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--task", type=Path, required=True)
    parser.add_argument("--setting", choices=list(settings))
    chosen = parser.parse_args()
    task = Task.read(chosen.task)
    doing = (
        load(chosen.dsn, task) if chosen.step == "load" else work(chosen.dsn, task, settings[chosen.setting])
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_finish(doing))


async def _finish(doing: Awaitable[None]) -> None:
    await doing
