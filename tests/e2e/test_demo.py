import asyncio
import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from relay.demo import show
from relay.demo.receiver import Receiver
from relay.demo.show import Plan
from relay.demo.stage import demonstrate
from tests.support.embedded import is_gone, wait_until

LIMIT = 60
HARMS = {
    "drop": ("lost 1, unexpected 0, signature failures 0, altered 0", "never arrived"),
    "alter": ("lost 0, unexpected 0, signature failures 0, altered 1", "byte for byte"),
    "invent": ("lost 0, unexpected 1, signature failures 0, altered 0", "nobody committed it"),
    "rolled_back": ("lost 0, unexpected 1, signature failures 0, altered 0", "rolled back, and arrived"),
}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "relay", "demo", *options]


def environment(**more: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    return {**ours, "TERM": "xterm-256color", "NO_COLOR": "1", **more}


@contextmanager
def running(*options: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Run a demo into pipes; kill it if the test leaves it alive."""
    with subprocess.Popen(
        command(*options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def running_beside(other: socket.socket, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a demo while somebody has its usual port: `other`, or whoever was there before."""
    with suppress(OSError):
        other.bind(("127.0.0.1", 9420))
        other.listen()
    with running(*options) as demo:
        yield demo


def folder_of(process: subprocess.Popen[str]) -> Path:
    """Return the folder of a demo that has just been started."""
    assert process.stderr is not None
    return Path(process.stderr.readline().split()[-2])


def children_of(process: "subprocess.Popen[Any]") -> dict[str, int]:
    """Return the pids of a demo's children by what they are: `postgres` and `relay`."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    found = {}
    for pid in children:
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            found["relay" if b"relay" in words else words[0].decode().rpartition("/")[2]] = int(pid)
    return found


def wait_for_deliveries(folder: Path) -> None:
    log = folder / "relay.log"
    wait_until(lambda: log.exists() and b"delivery.delivered" in log.read_bytes(), "a first delivery", LIMIT)


def numbers(text: str) -> dict[str, int]:
    return {
        name: int(number) for name, number in re.findall(r"^  (\w+(?: \w+)?) +(\d+)  ", text, re.MULTILINE)
    }


def test_a_demo_ends_by_itself_and_proves_that_everything_arrived() -> None:
    with closing(socket.socket()) as other, running_beside(other, "--events", "200") as demo:
        folder = folder_of(demo)
        output, progress = demo.communicate(timeout=LIMIT)

    found = numbers(output)
    assert demo.returncode == 0, output + progress
    assert "lost 0, unexpected 0, signature failures 0, altered 0" in output
    assert found["committed"] == 200
    assert found["rolled back"] > 0
    assert found["expected"] == found["logged"] == found["received"] - found["retried"]
    assert found["retried"] >= found["expected"] * 0.05
    assert "(9420 is taken)" in progress
    assert f"embedded --data-dir {folder}/db psql" in progress
    assert not folder.exists()


@pytest.fixture(scope="module")
def harmed() -> dict[str, tuple[int, str]]:
    """Run a demo with each harm, all at once, and return their exit codes and outputs."""
    started = {
        harm: subprocess.Popen(
            command("--events", "20"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(RELAY_DEMO_HARM=harm),
        )
        for harm in HARMS
    }
    outputs = {harm: process.communicate(timeout=LIMIT)[0] for harm, process in started.items()}
    return {harm: (started[harm].returncode, outputs[harm]) for harm in HARMS}


@pytest.mark.parametrize("harm", HARMS)
def test_harm_is_found_and_named(harmed: dict[str, tuple[int, str]], harm: str) -> None:
    code, output = harmed[harm]
    counts, words = HARMS[harm]

    assert code == 1
    assert counts in output
    assert re.search(rf"^  \w+: event {UUID} at endpoint \w+: .*{words}", output, re.MULTILINE)
    assert "NOT WHOLE" in output


def test_control_c_in_a_terminal_ends_it_with_a_proof() -> None:
    master, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        command("--rate", "100"),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment(),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - one system call
    ) as demo:
        os.close(terminal)
        seen = read_until(master, rb"200 verified")
        children = children_of(demo)
        os.write(master, b"\x03")
        seen += read_until(master, b"Whole: .*", to_the_end=True)
        assert demo.wait(LIMIT) == 0
    os.close(master)

    text = seen.decode()
    for words in ("rolled back", "under way", "delivered", "retrying", "psql", "relay.log", "readyz"):
        assert words in text
    assert set(children) == {"postgres", "relay"}
    assert all(map(is_gone, children.values()))


def read_until(master: int, pattern: bytes, *, to_the_end: bool = False) -> bytes:
    """Read from a terminal until the pattern was seen, or until nobody is there any more."""
    seen = b""
    deadline = time.monotonic() + LIMIT
    while to_the_end or not re.search(pattern, seen):
        assert time.monotonic() < deadline, seen.decode()
        if select.select([master], [], [], 1)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
    assert re.search(pattern, seen), seen.decode()
    return seen


def test_a_killed_demo_leaves_no_process_and_the_next_one_removes_its_folder() -> None:
    with running() as demo:
        folder = folder_of(demo)
        wait_for_deliveries(folder)
        children = children_of(demo)
        demo.kill()
        demo.wait(LIMIT)

    assert set(children) == {"postgres", "relay"}
    wait_until(lambda: all(map(is_gone, children.values())), "the end of its children", LIMIT)
    with running("--events", "1") as following:
        following.communicate(timeout=LIMIT)
    assert following.returncode == 0
    assert not folder.exists()


def test_a_relay_that_dies_ends_the_demo_with_its_last_words() -> None:
    with running() as demo:
        folder = folder_of(demo)
        wait_for_deliveries(folder)
        os.kill(children_of(demo)["relay"], signal.SIGKILL)
        output, _ = demo.communicate(timeout=LIMIT)

    assert demo.returncode == 1
    assert "the relay was killed by signal 9; the end of its log:" in output
    assert "delivery.delivered" in output
    assert not folder.exists()


def test_a_standstill_ends_the_demo_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "STANDSTILL", 1.0)
    monkeypatch.setattr(Receiver, "_status", lambda _self, _attempt: 500)

    report = asyncio.run(demonstrate(Plan(events=3, rate=None)))

    assert not report.is_whole
    assert report.proof.count("lost") == report.proof.expected > 0
    assert re.search(rf"nothing has moved for 1 s, with {report.proof.expected} deliveries", report.trouble)
