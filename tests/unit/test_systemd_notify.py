import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.observe import systemd


class Manager:
    """The service manager's end of the notification socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(5)

    def hear(self) -> dict[str, str]:
        """Return the variables of the next datagram."""
        lines = self._socket.recv(4096).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def heard_so_far(self) -> int:
        """Take all datagrams that are waiting and return how many there were."""
        self._socket.setblocking(False)
        count = 0
        while count < 10_000:
            try:
                self._socket.recv(4096)
            except BlockingIOError:
                break
            count += 1
        self._socket.settimeout(5)
        return count

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Manager]:
    name = f"relay-test-{os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.chdir(
        tmp_path
    )  # a short name: socket paths end after 107 bytes, temporary directories may not
    abstract = request.param == "abstract"
    manager = Manager(f"\0{name}" if abstract else "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else "/proc/self/cwd/notify")
    yield manager
    manager.close()


def test_each_state_is_told_in_systemds_words(manager: Manager) -> None:
    assert systemd.ready()
    assert manager.hear() == {"READY": "1"}
    assert systemd.stopping()
    assert manager.hear() == {"STOPPING": "1"}
    assert systemd.notify(READY="1", STATUS="3 in flight")
    assert manager.hear() == {"READY": "1", "STATUS": "3 in flight"}


def test_a_reload_is_told_with_the_time_of_the_monotonic_clock(manager: Manager) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    assert systemd.reloading()

    state = manager.hear()
    assert state["RELOADING"] == "1"
    assert before <= int(state["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_a_status_cannot_smuggle_in_another_state(manager: Manager) -> None:
    assert systemd.status("database lost\nREADY=1")
    assert manager.hear() == {"STATUS": "database lost READY=1"}


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "relative", "vsock:2:1", "@" + "x" * 200])
def test_nobody_to_tell_is_no_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert systemd.ready() is False

    monkeypatch.delenv("NOTIFY_SOCKET")
    assert systemd.ready() is False


@pytest.mark.parametrize(
    ("microseconds", "pid", "interval"),
    [
        ("30000000", "own", 30.0),
        ("30000000", None, 30.0),
        ("30000000", "1", None),
        ("0", "own", None),
        ("", "own", None),
        ("soon", "own", None),
        (None, None, None),
    ],
)
def test_the_watchdog_is_kept_only_if_systemd_watches_this_process(
    monkeypatch: pytest.MonkeyPatch, microseconds: str | None, pid: str | None, interval: float | None
) -> None:
    for name, value in {"WATCHDOG_USEC": microseconds, "WATCHDOG_PID": pid}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, str(os.getpid()) if value == "own" else value)

    assert systemd.watchdog_interval() == interval


async def test_the_watchdog_hears_of_a_loop_that_turns_and_not_of_one_that_is_blocked(
    manager: Manager,
) -> None:
    task = asyncio.create_task(systemd.keep_watchdog(0.04))
    for _ in range(3):
        assert await asyncio.to_thread(manager.hear) == {"WATCHDOG": "1"}

    manager.heard_so_far()
    time.sleep(0.2)  # noqa: ASYNC251 - blocking the loop is what this is about
    assert manager.heard_so_far() == 0
    assert await asyncio.to_thread(manager.hear) == {"WATCHDOG": "1"}

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_without_a_watchdog_there_is_nothing_to_keep() -> None:
    async with asyncio.timeout(1):
        await systemd.keep_watchdog(None)
