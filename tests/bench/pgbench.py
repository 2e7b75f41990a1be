"""An application that inserts: pgbench, in a process of its own."""

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from relay.bench.latency import percentile
from relay.bench.stage import OBSERVER
from relay.embedded.binaries import find_tool
from tests.bench.harness import Unsound

CLIENTS = 16
THREADS = 2
SPARE = 60.0
"""Seconds that it may take longer than it was told to."""
RATE = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
FAILED = re.compile(r"^number of failed transactions: ([1-9]\d*)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inserts:
    """What the clients got.

    Attributes:
        count: Transactions that were committed.
        per_second: Of them.
        p50_ms: From the moment that each was to begin until it was committed, in milliseconds.
        p99_ms: What one in a hundred of them exceeds.
    """

    count: int
    per_second: float
    p50_ms: float
    p99_ms: float


async def insert(
    dsn: str, statement: str, folder: Path, *, seconds: int, rate: int | None = None, options: str = ""
) -> Inserts:
    """Let 16 clients run a statement again and again, each time in a transaction of its own.

    Args:
        dsn: The database.
        statement: In the language of pgbench.
        folder: For its files; what it wrote there before goes.
        seconds: How long.
        rate: How many a second in all, at random moments; None: as many as go.
        options: Of the sessions, as in PGOPTIONS.

    Raises:
        NoBinaries: There is no pgbench.
        Unsound: It failed, or some of its transactions did.
    """
    place = folder / "pgbench"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    script = place / "script"
    script.write_text(statement, encoding="utf-8")
    said = await _run(
        [
            str(find_tool("pgbench", None)), "--no-vacuum", "--protocol=prepared",
            f"--client={CLIENTS}", f"--jobs={THREADS}", f"--time={seconds}", f"--file={script}",
            "--log", f"--log-prefix={place / 'log'}", *([] if rate is None else [f"--rate={rate}"]),
            _as_observer(dsn),
        ],
        {**os.environ, "PGOPTIONS": options},
        seconds + SPARE,
    )  # fmt: skip
    tps = RATE.search(said)
    if tps is None or FAILED.search(said):
        raise Unsound(f"pgbench said:\n{said}")
    took = sorted(each for log in place.glob("log.*") for each in read_log(log.read_text(encoding="utf-8")))
    return Inserts(
        count=len(took),
        per_second=float(tps[1]),
        p50_ms=percentile(took, 0.5),
        p99_ms=percentile(took, 0.99),
    )


def read_log(text: str) -> list[float]:
    """Return what each transaction took, in milliseconds; where it was to begin late, from when it ought to have."""
    return [int(line.split()[2]) / 1000 for line in text.splitlines()]


async def _run(command: list[str], environment: Mapping[str, str], limit: float) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), limit)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise Unsound(f"pgbench ended with status {process.returncode}:\n{said.decode()}")
    return said.decode()


def _as_observer(dsn: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{OBSERVER}@{parts.netloc.rpartition('@')[2]}"))
