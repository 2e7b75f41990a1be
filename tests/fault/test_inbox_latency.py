"""A sender is answered at once, however slow the handler is. The time is printed, not asserted: machines differ."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.support import slow_receiver
from tests.support.database import connected
from tests.support.examples import Example, running
from tests.support.inbox import signed
from tests.support.postgres import throwaway_postgres

PROGRAM = Path(slow_receiver.__file__)
BODY = b'{"id": 42, "text": "' + b"x" * 1000 + b'"}'
CONNECTIONS = 50


async def load(example: Example, name: str, *, rate: int, seconds: int) -> list[float]:
    """Send requests at a steady rate, and return for each the milliseconds from its planned start to its 200."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as tasks:
        began = time.monotonic() + 0.1
        sending = [
            tasks.create_task(send(session, example.url, f"{name}_{number}", began + number / rate))
            for number in range(rate * seconds)
        ]
    return sorted(task.result() for task in sending)


async def send(session: aiohttp.ClientSession, url: str, event_id: str, at: float) -> float:
    await asyncio.sleep(at - time.monotonic())
    async with session.post(url, data=BODY, headers=signed(BODY, event_id)) as response:
        assert response.status == 200, await response.text()
    return (time.monotonic() - at) * 1000


FULL = [pytest.mark.full, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("rate", "seconds", "fsync"),
    [
        pytest.param(50, 1, "on", id="quick"),
        pytest.param(500, 20, "on", id="full", marks=FULL),
        # What of it is the disk's.
        pytest.param(500, 20, "off", id="full, no disk", marks=FULL),
    ],
)
async def test_requests_are_answered_while_handlers_take_two_seconds(
    rate: int, seconds: int, fsync: str, figures: Callable[[str], None]
) -> None:
    with throwaway_postgres(options={"fsync": fsync}) as server:
        async with running(PROGRAM, server.dsn) as example, connected(server.dsn) as connection:
            await load(example, "first", rate=10, seconds=1)
            times = await load(example, "evt", rate=rate, seconds=seconds)
            counts = "select count(*), count(ended_at) from relay_inbox.event where event_id like 'evt%'"
            stored, done = await connection.fetchrow(counts) or (0, 0)

    count = len(times)
    figures(
        f"{count} requests at {rate}/s, handler {slow_receiver.HANDLER_SECONDS:g} s, fsync {fsync}: 200 after"
        f" p50 {times[count // 2]:.1f} ms, p99 {times[count * 99 // 100]:.1f} ms, max {times[-1]:.1f} ms;"
        f" {done} handled meanwhile"
    )
    assert stored == count
    assert done < count
