"""What the tests of the embedded PostgreSQL need: owners that can be killed, and ready-made data."""

import asyncio
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from relay.embedded import EmbeddedPostgres
from relay.embedded.account import choose_account
from tests.support.postgres import FAST, installed_bindirs, open_folder

CHECKOUT = Path(__file__).parents[2]
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root; cure: run the tests as root")

OWNER = """
import json, os, signal, sys
from pathlib import Path
from relay.embedded import EmbeddedError, EmbeddedPostgres, children
request = json.loads(sys.argv[1])
if request["uid"] is not None:
    os.setgroups([]); os.setgid(request["uid"]); os.setuid(request["uid"])
if not request["bound"]:
    children._ends_with_us = lambda number: None
if request["ignores_interrupt"]:
    signal.signal(signal.SIGINT, lambda number, frame: None)
server = EmbeddedPostgres(Path(request["data_dir"]), options=request["options"])
try:
    answer = {"dsn": server.start(), "pid": server.pid}
except EmbeddedError as error:
    answer = {"error": type(error).__name__, "message": str(error), **vars(error)}
print(json.dumps(answer), flush=True)
sys.stdin.read()
server.stop()
"""


class Owner:
    """A process of its own that owns an embedded server until its input is closed or it is killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def answer(self) -> dict[str, Any]:
        """Wait until it has started its server, or was refused."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        assert ready, "the owner did not answer"
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def kill(self) -> None:
        """End it as the kernel's out-of-memory killer would."""
        self.process.kill()
        self.process.wait(30)


@contextmanager
def owner(
    data_dir: Path, *, bound: bool = True, ignores_interrupt: bool = False, uid: int | None = None
) -> Iterator[Owner]:
    """Start an owner.

    Args:
        data_dir: of the server.
        bound: false leaves the server alive when its owner dies.
        ignores_interrupt: as `relay run` goes on working for a while after Ctrl-C.
        uid: the user that it becomes.
    """
    request = {
        "data_dir": str(data_dir),
        "bound": bound,
        "ignores_interrupt": ignores_interrupt,
        "uid": uid,
        "options": FAST,
    }
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, json.dumps(request)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield Owner(process)


@pytest.fixture(scope="session")
def made() -> Iterator[Path]:
    """Make a data directory that tests copy, which is quicker than initdb."""
    with open_folder() as folder:
        with EmbeddedPostgres(folder / "data", options=FAST):
            pass
        yield folder / "data"


@pytest.fixture
def home() -> Iterator[Path]:
    """Provide an empty folder that the server's user can enter."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def data_dir(home: Path, made: Path) -> Path:
    """Provide a data directory on which a server ran before."""
    return copy_of(made, home / "data")


def copy_of(made: Path, target: Path) -> Path:
    """Copy a data directory with its owner."""
    subprocess.run(["cp", "-a", made, target], check=True)
    return target


@contextmanager
def server_on(data_dir: Path, bindir: Path | None = None, **options: str) -> Iterator[EmbeddedPostgres]:
    """Run a quick server on `data_dir` in this process."""
    with EmbeddedPostgres(data_dir, bindir=bindir, options={**FAST, **options}) as server:
        yield server


def ask(dsn: str, statement: str, *arguments: object) -> Any:
    """Return the first value of a statement; for tests without an event loop."""
    return asyncio.run(fetch(dsn, statement, *arguments))


async def fetch(dsn: str, statement: str, *arguments: object) -> Any:
    """Return the first value of a statement."""
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        return await connection.fetchval(statement, *arguments)
    finally:
        await connection.close()


@contextmanager
def as_server_user(argv: list[str | Path], data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program as the user that owns the data directory, and end it."""
    account = choose_account(data_dir)
    with subprocess.Popen(
        argv,
        user=account.uid if account.dropped else None,
        group=account.gid if account.dropped else None,
        extra_groups=[] if account.dropped else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def wait_until(condition: Callable[[], bool], what: str, limit: float = 30) -> None:
    """Wait for a condition, and say what did not happen."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {limit} s"
        time.sleep(0.005)


def is_gone(pid: int) -> bool:
    """Say whether a process has ended; one that nobody has waited for yet has."""
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:1]
    except (FileNotFoundError, ProcessLookupError):
        return True


def bindir_parameters() -> list[Any]:
    """Return every installed PostgreSQL as a parameter."""
    return [pytest.param(bindir, id=name) for name, bindir in installed_bindirs().items()]
