"""A load that goes on beside what is measured: small transactions at even gaps, from a process of its own.

Run as a program it commits until its stdin ends, and then says what it has done. It imports little, and does little
but wait: what it takes of the machine is part of what it says.
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import asyncpg
import uvloop

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

PACKAGES = Path(__file__).parents[2]
CONNECTIONS = 8
INSERT = """
insert into relay.outbox (event_type, payload)
select t, $2::text::json
from unnest($1::text[]) as t
"""
LIMIT = 60.0
"""Seconds for it to start, or to end."""


class LoadFailed(Exception):  # noqa: N818 - it says what happened
    """The process that commits does not do what it should; its complaint is on stderr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is committed.

    Attributes:
        dsn: Where.
        user: As whom.
        rate: So many events a second.
        a_transaction: So many of them in each transaction.
        types: Their types, in turn.
        payload: Bytes of the payload of each.
    """

    dsn: str
    user: str
    rate: float
    a_transaction: int
    types: Sequence[str]
    payload: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was committed, in how many seconds, and how much CPU the process took for it."""

    events: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cores(self) -> float:
        """What part of one core it took."""
        return self.cpu_seconds / self.seconds


class Steady:
    """A process that commits."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def stop(self) -> Done:
        """Let it end, and return what it has done.

        Raises:
            LoadFailed: It ended by itself, or does not end.
        """
        if self._process.stdin is not None:
            self._process.stdin.close()
        return Done(**json.loads(await self.line()))

    async def line(self) -> str:
        """Return the next line that it says; errors as of `stop`."""
        line = b""
        if self._process.stdout is not None:
            line = await asyncio.wait_for(self._process.stdout.readline(), LIMIT)
        if not line:
            raise LoadFailed(f"the load ended with status {await self._process.wait()}")
        return line.decode()


@asynccontextmanager
async def steadily(load: Load) -> AsyncIterator[Steady]:
    """Start a process that commits, at once, until it is stopped or the block ends.

    Raises:
        LoadFailed: It does not start.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "relay.bench.steady", json.dumps(asdict(load)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PACKAGES)},
        start_new_session=True,  # a terminal's Ctrl-C is not for it: it ends with our end of its stdin
    )  # fmt: skip
    try:
        steady = Steady(process)
        await steady.line()
        yield steady
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _commit(load: Load, connections: Sequence[Connection], stop: asyncio.Event) -> int:
    """Commit until `stop` is set; late transactions do not move the others. Returns how many events."""
    start, turns = time.monotonic(), itertools.count()
    size = load.a_transaction
    payload = json.dumps({"text": os.urandom(load.payload).hex()})[: load.payload - 2] + '"}'

    async def work(connection: Connection) -> int:
        insert = await connection.prepare(INSERT)
        committed = 0
        while True:
            first = next(turns) * size
            await asyncio.sleep(max(start + first / load.rate - time.monotonic(), 0))
            if stop.is_set():
                return committed
            types = [load.types[number % len(load.types)] for number in range(first, first + size)]
            await insert.fetch(types, payload)
            committed += size

    async with asyncio.TaskGroup() as working:
        tasks = [working.create_task(work(each)) for each in connections]
    return sum(task.result() for task in tasks)


async def _run(load: Load) -> None:
    connections = [await asyncpg.connect(load.dsn, user=load.user) for _ in range(CONNECTIONS)]
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _say("ready")
    started, cpu = time.monotonic(), time.process_time()
    async with asyncio.TaskGroup() as running:
        committing = running.create_task(_commit(load, connections, stop))
        await reader.read()
        stop.set()
    done = Done(
        events=committing.result(),
        seconds=time.monotonic() - started,
        cpu_seconds=time.process_time() - cpu,
    )
    _say(json.dumps(asdict(done)))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run until stdin ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(Load(**json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
