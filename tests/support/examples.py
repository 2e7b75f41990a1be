"""The example receivers of the documentation as processes of their own."""

import asyncio
import contextlib
import ctypes
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.application import SECRET
from tests.support.daemon import surroundings
from tests.support.database import connected
from tests.support.ports import free_port
from tests.support.waiting import LIMIT, eventually

FOLDER = Path(__file__).parents[2] / "docs" / "examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*_receiver.py"))
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Example:
    """One example on one port, which it keeps over restarts.

    Args:
        program: Its file, which gets DATABASE_URL, WEBHOOK_SECRET and PORT.
        dsn: Of its database.
    """

    def __init__(self, program: Path, dsn: str) -> None:
        self.port = free_port()
        self._program = program
        self._name = program.stem
        self._dsn = dsn
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(self._program),
            env={
                **surroundings(),
                "DATABASE_URL": self._dsn,
                "WEBHOOK_SECRET": SECRET,
                "PORT": str(self.port),
            },
            stdin=asyncio.subprocess.DEVNULL,
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        )
        await eventually(self._accepts, f"{self._name} takes connections")

    async def kill(self) -> None:
        """End it as the kernel's out-of-memory killer would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def terminate(self) -> int:
        """Ask it to end, and return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), LIMIT)

    async def _accepts(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, f"{self._name} ended with {self._process.returncode}"
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            return True
        return False


@asynccontextmanager
async def running_example(name: str, dsn: str) -> AsyncIterator[Example]:
    """Run an example on a database, with its table, for the length of the block."""
    async with connected(dsn) as connection:
        await connection.execute((FOLDER / "booking.sql").read_text(encoding="utf-8"))
    async with running(FOLDER / f"{name}.py", dsn) as example:
        yield example


@asynccontextmanager
async def running(program: Path, dsn: str) -> AsyncIterator[Example]:
    """Run a receiver on a database for the length of the block."""
    example = Example(program, dsn)
    try:
        await example.start()
        yield example
    finally:
        await example.kill()
