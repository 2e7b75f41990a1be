"""Where and with what the figures were measured."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from relay.bench.stage import Stage

CHECKOUT = Path(__file__).parents[2]
LIBRARIES = ("aiohttp", "uvloop", "asyncpg")


async def describe(stage: Stage) -> dict[str, str]:
    """Return what a reader needs to judge the figures, or to measure them again."""
    async with stage.observer(stage.server.dsn) as connection:
        postgres = await connection.fetchval("show server_version")
        settings = await connection.fetch(
            "select name, current_setting(name) as value from pg_settings"
            " where name in ('fsync', 'shared_buffers', 'max_wal_size', 'full_page_writes') order by name"
        )
    return {
        "machine": f"{_cpu()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, Linux {platform.release()}",
        "versions": f"Python {platform.python_version()}, PostgreSQL {postgres}, "
        + ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "PostgreSQL": ", ".join(f"{each['name']} = {each['value']}" for each in settings),
        "receiver": "C, a process of its own" if stage.sink.is_native else "Python, a process of its own",
        "revision": _git("describe", "--always", "--dirty"),
        "day": datetime.now(UTC).date().isoformat(),
        "command": _command(sys.argv[1:]),
    }


def _command(arguments: Sequence[str]) -> str:
    """Return the command, without where its page went."""
    kept = [
        each
        for before, each in zip(["", *arguments], arguments, strict=False)
        if "--page" not in {before, each}
    ]
    return " ".join(["python -m tests.bench", *kept])


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
