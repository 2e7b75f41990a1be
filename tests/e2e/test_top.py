"""`relay top`: what goes on, for people who look and for programs."""

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import time

from tests.support.daemon import surroundings
from tests.support.receiver import Reply
from tests.support.world import World

LIMIT = 30.0


async def test_it_tells_rates_and_names_the_endpoint_that_fails_first(world: World) -> None:
    daemon = await world.start({"retry": {"base": "10m"}})
    good = await world.application.add_endpoint(world.receiver.url("/good"), event_types=["a"])
    bad = await world.application.add_endpoint(world.receiver.url("/bad"), event_types=["b"])
    world.receiver.respond = lambda request: Reply(status=500 if request.path == "/bad" else 200)
    for event_type in ("a", "a", "b"):
        await world.application.insert("{}", event_type=event_type)
    await daemon.wait_for_log("delivery.delivered", count=2)
    await daemon.wait_for_log("attempt.failed")

    found = await world.relay("top", "-o", "json")

    assert [each["endpoint_id"] for each in found["endpoints"]] == [str(bad), str(good)]
    assert [each["failed_with"] for each in found["endpoints"]] == ["500", None]
    assert found["is_relay_running"]
    assert [(each["state"], each["deliveries"]) for each in found["waiting"]] == [("retrying", 1)]


async def test_on_a_terminal_it_draws_until_control_c(world: World) -> None:
    await world.start()
    seen, code = await asyncio.to_thread(_watch, world.dsn)
    assert b"a relay is at work" in seen
    assert code == 130


def _watch(dsn: str) -> tuple[bytes, int]:
    """Run it on a terminal until it has drawn, interrupt it, and return what it drew and how it ended."""
    environment = {**surroundings(), "RELAY_DATABASE__DSN": dsn, "TERM": "xterm-256color"}
    master, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "relay", "top", "--every", "200ms"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        try:
            seen = _read_until(master, b"a relay is at work")
            process.send_signal(signal.SIGINT)
            return seen, process.wait(LIMIT)
        finally:
            process.kill()
            os.close(master)


def _read_until(descriptor: int, wanted: bytes) -> bytes:
    seen, end = b"", time.monotonic() + LIMIT
    while wanted not in seen and time.monotonic() < end:
        if select.select([descriptor], [], [], 1.0)[0]:
            seen += os.read(descriptor, 65536)
    return seen
