"""What the real daemon tells the service manager, and when it stays silent."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.daemon import LOOPBACK, Daemon, config_text
from tests.support.receiver import Receiver
from tests.support.waiting import LIMIT, Changes
from tests.support.world import World

pytestmark = pytest.mark.fault

WATCHDOG = 0.2
BLOCKED_FOR = 2.0
BLOCKER = f"""
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: time.sleep({BLOCKED_FOR}))
"""


class ServiceManager:
    """Takes what a daemon tells systemd.

    Attributes:
        told: Each message with the monotonic time at which it came.
    """

    def __init__(self, path: Path) -> None:
        self.told: list[tuple[float, dict[str, str]]] = []
        self._changes = Changes()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._take)
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(int(WATCHDOG * 1e6))}

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def names(self) -> list[str]:
        """Return what was told in order, the pings left out."""
        return [
            name for _, message in self.told for name in message if name not in {"WATCHDOG", "MONOTONIC_USEC"}
        ]

    def pings(self) -> list[float]:
        """Return when the pings came."""
        return [at for at, message in self.told if "WATCHDOG" in message]

    async def wait_for(self, *names: str) -> None:
        """Wait until exactly this was told, pings apart."""
        await self._changes.wait_for(
            lambda: self.names() == list(names), lambda: f"{names}, only {self.names()}", limit=LIMIT
        )

    async def wait_for_pings(self, count: int) -> None:
        """Wait for so many more pings."""
        wanted = len(self.pings()) + count
        await self._changes.wait_for(lambda: len(self.pings()) >= wanted, f"{wanted} pings", limit=LIMIT)

    def _take(self) -> None:
        lines = self._socket.recv(4096).decode().split("\n")
        self.told.append((time.monotonic(), dict(line.split("=", 1) for line in lines)))
        self._changes.tell()


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[ServiceManager]:
    managing = ServiceManager(tmp_path / "notify")
    yield managing
    managing.close()


async def test_the_daemon_says_ready_pings_and_says_stopping(world: World, manager: ServiceManager) -> None:
    began = time.monotonic()
    daemon = await world.start(environment=manager.environment)
    await manager.wait_for("READY")
    await manager.wait_for_pings(10)
    pings = [at for at in manager.pings() if at > began]
    assert (pings[-1] - pings[0]) / (len(pings) - 1) < WATCHDOG

    assert await daemon.terminate() == 0
    await manager.wait_for("READY", "STOPPING")


async def test_ready_comes_only_after_the_first_look_at_the_database(
    world: World, manager: ServiceManager
) -> None:
    connection = await world.application.connection()
    async with connection.transaction():
        await connection.execute("lock table relay.fresh in access exclusive mode")
        daemon = await world.start(environment=manager.environment, waits=False)
        await manager.wait_for_pings(3)
        await world.application.wait_until("select exists (select from pg_locks where not granted)")
        assert manager.names() == []
    await manager.wait_for("READY")
    await daemon.wait_for_log("relay.started")


async def test_the_pings_go_on_while_the_stop_waits_for_answers(
    world: World, manager: ServiceManager
) -> None:
    world.receiver.hold()
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start(environment=manager.environment)
    await world.application.insert()
    await world.receiver.wait_for_open(1)
    daemon.signal(signal.SIGTERM)
    await manager.wait_for("READY", "STOPPING")
    await manager.wait_for_pings(5)
    world.receiver.release()
    assert await daemon.wait() == 0


async def test_no_ping_comes_while_the_loop_is_blocked(
    world: World, manager: ServiceManager, tmp_path: Path
) -> None:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "sitecustomize.py").write_text(BLOCKER, encoding="utf-8")
    daemon = await world.start(environment={**manager.environment, "PYTHONPATH": str(modules)})
    await manager.wait_for_pings(3)

    daemon.signal(signal.SIGUSR1)
    await daemon.wait_for_log("loop.stalled")
    await manager.wait_for_pings(3)
    pings = manager.pings()
    longest = max(later - earlier for earlier, later in pairwise(pings))
    assert longest > BLOCKED_FOR - WATCHDOG
    assert daemon.exit_code is None


async def test_a_reload_with_a_good_configuration_takes_effect(world: World, manager: ServiceManager) -> None:
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start(environment=manager.environment)
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    _write_config(daemon, world, "user_agent", "Changed/2.0")
    daemon.signal(signal.SIGHUP)
    await daemon.wait_for_log("config.reloaded")
    await manager.wait_for("READY", "RELOADING", "READY")
    (since,) = [message["MONOTONIC_USEC"] for _, message in manager.told if "RELOADING" in message]
    assert before <= int(since) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    received = await _delivered(world, world.receiver)
    assert received == "Changed/2.0"


async def test_a_reload_with_a_bad_configuration_keeps_the_old_one(
    world: World, manager: ServiceManager
) -> None:
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start({"delivery": {"user_agent": "Old/1.0"}}, environment=manager.environment)
    _write_config(daemon, world, "user_agnet", "Changed/2.0")
    daemon.signal(signal.SIGHUP)
    line = await daemon.wait_for_log("config.rejected")
    assert "user_agent" in line["problems"][0]
    await manager.wait_for("READY", "RELOADING", "READY")
    assert await _delivered(world, world.receiver) == "Old/1.0"

    daemon.config.unlink()
    daemon.signal(signal.SIGHUP)
    await daemon.wait_for_log("config.rejected", count=2)
    assert await _delivered(world, world.receiver) == "Old/1.0"
    assert await daemon.terminate() == 0


def _write_config(daemon: Daemon, world: World, key: str, value: str) -> None:
    sections = {"database": {"dsn": world.dsn}, "delivery": {key: value}}
    daemon.config.write_text(config_text(LOOPBACK, sections), encoding="utf-8")


async def _delivered(world: World, receiver: Receiver) -> str:
    """Publish an event and return the User-Agent of its request."""
    event_id = await world.application.insert()
    return (await receiver.wait_for_event(event_id)).header("User-Agent")
