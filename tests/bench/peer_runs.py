"""Runs a peer as the relay is run: jobs first, then its process from the first request to the last record."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from relay.bench.proof import is_signed
from relay.bench.stage import OBSERVER, administer
from relay.bench.usage import Processes, usage_of
from relay.demo.places import reserved_port
from relay.http.signature import generate_secret
from tests.bench.harness import Bench, Unsound, say, settle
from tests.bench.peers.common import write_task

CHECKOUT = Path(__file__).parents[2]
PYTHON = CHECKOUT / "tests" / "bench" / ".venv" / "bin" / "python"
ENDPOINTS = 20
LIMIT = 600.0
TRIAL = 20_000
"""Jobs with which each setting is tried."""
REDIS_PORT = 16379


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Something that delivers otherwise.

    Attributes:
        name: Its module in tests/bench/peers.
        title: What it is.
        settings: Names of the settings that are tried.
        done: A query for how many jobs are done; None: what the sink got counts.
        events: How many jobs it gets in a full run: as many as the relay, if that takes it no longer than a minute.
    """

    name: str
    title: str
    settings: tuple[str, ...]
    done: str | None
    events: int


PEERS = (
    Peer(
        name="loop",
        title="plain loop, SKIP LOCKED row by row, aiohttp",
        settings=("8 connections", "24 connections", "80 connections"),
        done="select count(*) from attempt",
        events=200_000,
    ),
    Peer(
        name="pgqueuer",
        title="pgqueuer",
        settings=("batch 10", "batch 50", "batch 200"),
        done="select count(*) from pgqueuer_log where status = 'successful'",
        events=200_000,
    ),
    Peer(
        name="procrastinate",
        title="procrastinate",
        settings=("10 at once", "50 at once", "200 at once"),
        done="select count(*) from procrastinate_jobs where status = 'succeeded'",
        events=20_000,
    ),
    Peer(
        name="celery",
        title="Celery, Redis (nothing on disk), requests",
        settings=("2 processes", "8 processes", "32 threads"),
        done=None,
        events=20_000,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRate:
    """What a peer did.

    Attributes:
        per_second: Deliveries a second.
        cpu_us: CPU of its processes a delivery, in microseconds.
        store_us: The same of its PostgreSQL or Redis.
    """

    per_second: float
    cpu_us: float
    store_us: float


def missing(peer: Peer) -> str | None:
    """Say why a peer cannot run here, or None."""
    if not PYTHON.exists():
        return f"{PYTHON} is not there: run `make bench`, which installs tests/bench/requirements.txt"
    if peer.name == "celery" and shutil.which("redis-server") is None:
        return "redis-server is not there: apt-get install redis-server"
    return None


async def best_setting(bench: Bench, peer: Peer) -> str:
    """Try each setting once, and return the name of the fastest."""
    trial = replace(peer, events=min(peer.events, TRIAL))
    rates = {name: await run_peer(bench, trial, name) for name in peer.settings}
    return max(rates, key=lambda name: rates[name].per_second)


async def run_peer(bench: Bench, peer: Peer, setting: str) -> PeerRate:
    """Let a peer deliver what it was given, and measure."""
    await settle()
    await bench.stage.sink.reset()
    events = bench.events(peer.events)
    task = bench.stage.folder / "peer.json"
    secrets = [generate_secret() for _ in range(ENDPOINTS)]
    urls = [bench.stage.sink.url(number) for number in range(ENDPOINTS)]
    write_task(task, events=events, payload=1024, urls=urls, secrets=secrets)
    async with _store(bench, peer) as (dsn, postmaster):
        await _load(peer, dsn, task)
        async with _observer(peer, dsn) as observer:
            run = _Run(peer=peer, setting=setting, dsn=dsn, task=task, events=events)
            rate = await _work(bench, run, postmaster, observer)
    await _prove(bench, events, secrets)
    say(
        f"  {peer.name}, {setting}: {rate.per_second:.0f}/s, {rate.cpu_us:.0f} us, {rate.store_us:.0f} us its store"
    )
    return rate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    peer: Peer
    setting: str
    dsn: str
    task: Path
    events: int


@asynccontextmanager
async def _store(bench: Bench, peer: Peer) -> AsyncIterator[tuple[str, int]]:
    """Give the peer a database or a Redis of its own, and the process that is its root."""
    if peer.name == "celery":
        async with _redis(bench) as found:
            yield found
        return
    server = bench.stage.server
    await administer(server, "create database peer")
    try:
        await administer(server, "checkpoint")
        yield server.dsn.replace("/relay?", "/peer?"), server.pid
    finally:
        await administer(server, "drop database peer with (force)")


@asynccontextmanager
async def _redis(bench: Bench) -> AsyncIterator[tuple[str, int]]:
    with reserved_port(REDIS_PORT) as port:
        process = await asyncio.create_subprocess_exec(
            "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(bench.stage.folder),
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield f"redis://127.0.0.1:{port}/0", process.pid
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def _observer(peer: Peer, dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record] | None"]:
    if peer.done is None:
        yield None
        return
    connection = await asyncpg.connect(dsn, user=OBSERVER)
    try:
        await connection.execute("vacuum (analyze)")
        await connection.execute("checkpoint")
        yield connection
    finally:
        await connection.close()


async def _load(peer: Peer, dsn: str, task: Path) -> None:
    loading = await _start(peer, "load", dsn, task)
    if await asyncio.wait_for(loading.wait(), LIMIT):
        raise Unsound(f"{peer.name} could not put its jobs in")


async def _work(
    bench: Bench, run: _Run, postmaster: int, observer: "asyncpg.Connection[asyncpg.Record] | None"
) -> PeerRate:
    """Start the peer; the clock runs from its first request."""
    sink = bench.stage.sink
    process = await _start(run.peer, "work", run.dsn, run.task, "--setting", run.setting)
    not_counted = frozenset() if observer is None else frozenset({observer.get_server_pid()})
    processes = Processes(relay=process.pid, postmaster=postmaster, sink=sink.pid, not_counted=not_counted)
    try:
        await _arrived(run, process, bench, 1)
        before, began = usage_of(processes), (await sink.counts()).first_ns / 1e9
        await _arrived(run, process, bench, run.events)
        await _recorded(run, observer)
        seconds, used = time.monotonic() - began, usage_of(processes).since(before)
    finally:
        await _end(process)
    return PeerRate(
        per_second=run.events / seconds,
        cpu_us=used.relay / run.events * 1e6,
        store_us=used.postgres / run.events * 1e6,
    )


async def _recorded(run: _Run, observer: "asyncpg.Connection[asyncpg.Record] | None") -> None:
    deadline = time.monotonic() + LIMIT
    while observer is not None and run.peer.done and await observer.fetchval(run.peer.done) < run.events:
        if time.monotonic() > deadline:
            raise Unsound(f"{run.peer.name} did not record all that it delivered")
        await asyncio.sleep(0.005)


async def _arrived(run: _Run, process: asyncio.subprocess.Process, bench: Bench, requests: int) -> None:
    deadline = time.monotonic() + LIMIT
    while (counts := await bench.stage.sink.counts()).distinct < requests:
        if process.returncode or time.monotonic() > deadline:
            raise Unsound(
                f"{run.peer.name} made {counts.distinct} of {requests} deliveries and ended or stood still"
            )
        await asyncio.sleep(0.01)


async def _start(peer: Peer, step: str, dsn: str, task: Path, *more: str) -> asyncio.subprocess.Process:
    url = dsn if peer.name == "celery" else ""
    with task.with_name("peer.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
        PYTHON, "-m", f"tests.bench.peers.{peer.name}", step, "--dsn", dsn, "--task", str(task), *more,
        cwd=CHECKOUT,
        env={**os.environ, "BENCH_REDIS": url, "BENCH_TASK": str(task), "C_FORCE_ROOT": "1"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )  # fmt: skip


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let it end by itself if it does, else end it with all it started."""
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            if number is not None:
                os.killpg(process.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
            return


async def _prove(bench: Bench, events: int, secrets: Sequence[str]) -> None:
    counts = await bench.stage.sink.counts()
    captured = await bench.stage.sink.captured()
    wrong = sum(not is_signed(each, secrets[each.endpoint]) for each in captured)
    if counts.distinct != events or wrong or not captured:
        raise Unsound(f"{events - counts.distinct} lost, {wrong} of {len(captured)} signatures wrong")
