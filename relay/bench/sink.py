"""The receiver of a benchmark, in a process of its own: in C where there is a compiler, else in Python."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from relay.bench.receipts import Captured, Receipt, read_captured, read_receipts

SOURCES = (Path(__file__).with_name("sink.c"), Path(__file__).with_name("sink_tls.c"))
PACKAGES = Path(__file__).parents[2]
CAPTURE_EVERY = 100
ADDRESSES = 20
LIMIT = 60.0
"""Seconds for it to be compiled, to start, or to obey."""


class SinkError(Exception):
    """The sink does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a sink has counted.

    Attributes:
        requests: All that had an event id.
        distinct: Events that were taken, once for each endpoint.
        repeated: Requests for what had been taken already.
        refused: Requests that were answered otherwise than by a 2xx, or not at all.
        bad: What was no proper request.
        connections: Opened since the last reset, and those that stood at it.
        open: Connections that stand.
        waiting: Requests that have come and are not answered yet.
        most_waiting: The most of them at once since the last reset.
        first_ns: When the first request came, by CLOCK_MONOTONIC.
        last_ns: When the last one came.
    """

    requests: int
    distinct: int
    repeated: int
    refused: int
    bad: int
    connections: int
    open: int
    waiting: int
    most_waiting: int
    first_ns: int
    last_ns: int


class Sink:
    """A running sink, from the start of the block to its end.

    Args:
        folder: For what it writes.
        addresses: On how many addresses of the loopback it listens, each a host of its own.
        compiler: The C compiler; None: the Python form.
        certificate: With its key in one PEM file, for all addresses; None: the sink speaks no TLS.
    """

    def __init__(
        self,
        folder: Path,
        *,
        addresses: int = ADDRESSES,
        compiler: str | None = shutil.which("cc"),
        certificate: Path | None = None,
    ) -> None:
        self._folder = folder
        self._addresses = addresses
        self._compiler = compiler
        self._certificate = certificate
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process
        self._commands: asyncio.StreamWriter
        self._answers: asyncio.StreamReader
        self.port = 0

    async def __aenter__(self) -> Self:
        program = await self._program()
        self._process = await asyncio.create_subprocess_exec(
            *program, str(self._addresses), str(self._capture), str(CAPTURE_EVERY),
            *([] if self._certificate is None else [str(self._certificate)]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PACKAGES)},
            start_new_session=True,  # a terminal's Ctrl-C is not for it: it ends with our end of its stdin
        )  # fmt: skip
        if self._process.stdin is None or self._process.stdout is None:
            raise SinkError("the sink has no pipes")
        self._commands, self._answers = self._process.stdin, self._process.stdout
        said = await self._line()
        if not said.startswith("ready "):
            raise SinkError(f"the sink did not start; it said {said!r}")
        self.port = int(said.split()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    @property
    def is_native(self) -> bool:
        """Whether it is the one in C."""
        return self._compiler is not None

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def url(self, endpoint: int, behaviour: str = "") -> str:
        """Return the URL of an endpoint; `behaviour` is for example "delay/10000", "never" or "status/503"."""
        path = f"{endpoint}/{behaviour}" if behaviour else str(endpoint)
        scheme = "http" if self._certificate is None else "https"
        return f"{scheme}://127.0.0.{endpoint % self._addresses + 1}:{self.port}/{path}"

    async def counts(self) -> Counts:
        """Return what it has counted since the last reset."""
        return Counts(**await self._ask("stats"))

    async def pace(self, delay: timedelta) -> None:
        """Let it answer so late what comes from now on, unless the URL says otherwise."""
        await self._ask(f"pace {delay // timedelta(milliseconds=1)}")

    async def reset(self) -> None:
        """Let it forget what came, and answer at once again."""
        await self._ask("reset")

    async def receipts(self) -> list[Receipt]:
        """Return every request since the last reset, in the order of arrival."""
        path = self._folder / "receipts"
        await self._ask(f"dump {path}")
        return list(read_receipts(path))

    async def captured(self) -> list[Captured]:
        """Return the requests that were captured whole since the last reset."""
        await self._ask(f"dump {self._folder / 'receipts'}")
        return list(read_captured(self._capture))

    @property
    def _capture(self) -> Path:
        return self._folder / "captured"

    async def _program(self) -> Sequence[str]:
        if self._compiler is None:
            return (sys.executable, "-P", "-m", "relay.bench.sink_python")
        program = str(self._folder / "sink")
        with_tls = () if self._certificate is None else ("-DWITH_TLS", "-lssl", "-lcrypto")
        complaint = await _complaint(self._compiler, "-O2", "-o", program, *map(str, SOURCES), *with_tls)
        if complaint is not None:
            raise SinkError(f"{self._compiler} cannot compile {SOURCES[0]}: {complaint}")
        return (program,)

    async def _ask(self, command: str) -> dict[str, Any]:
        async with self._turn:
            self._commands.write(f"{command}\n".encode())
            answer: dict[str, Any] = json.loads(await self._line())
            return answer

    async def _line(self) -> str:
        line = await asyncio.wait_for(self._answers.readline(), LIMIT)
        if not line:
            raise SinkError(f"the sink ended with status {await self._process.wait()}")
        return line.decode().strip()


async def has_openssl(compiler: str) -> bool:
    """Say whether a sink with TLS can be compiled: OpenSSL's headers are there."""
    return await _complaint(compiler, "-E", "-include", "openssl/ssl.h", "-x", "c", "/dev/null") is None


async def _complaint(compiler: str, *arguments: str) -> str | None:
    """Run the compiler and return what it complains of; None if it has done what it should."""
    compiling = await asyncio.create_subprocess_exec(
        compiler, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await asyncio.wait_for(compiling.communicate(), LIMIT)
    return complaint.decode() if compiling.returncode else None
