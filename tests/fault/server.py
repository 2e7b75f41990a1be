"""A PostgreSQL server that a test stops and starts, at one and the same address."""

import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from relay.embedded import EmbeddedPostgres
from relay.embedded.account import choose_account, give
from relay.embedded.binaries import find_bindir
from relay.embedded.children import start_server
from relay.embedded.postmaster import dsn_of
from relay.embedded.reachable import make_reachable
from relay.store import migrate
from tests.support.postgres import FAST, open_folder
from tests.support.waiting import eventually

FAST_STOP = signal.SIGINT
IMMEDIATE_STOP = signal.SIGQUIT


class Server:
    """One data directory and its postmaster, a child of this process that does not block its loop.

    Args:
        folder: Holds the data directory, made already, and the socket.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._account = choose_account(folder / "data")
        self._binaries = make_reachable(find_bindir(None), self._account)
        self._socket_dir = folder / "socket"
        self._socket_dir.mkdir()
        give(self._socket_dir, self._account)
        self.dsn = dsn_of(self._socket_dir)

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._socket_dir / ".s.PGSQL.5432"

    async def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        settings = {**FAST, "listen_addresses": "", "unix_socket_directories": str(self._socket_dir)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "server.log").open("ab") as log:
            argv: list[str | Path] = [
                self._binaries.bindir / "postgres",
                "-D",
                self._folder / "data",
                *options,
            ]
            self._process = start_server(argv, self._account, log.fileno())
        await eventually(self._accepts, "the server accepts connections")

    async def stop(self, number: signal.Signals = FAST_STOP) -> None:
        """Stop it, and wait for its end. Harmless if it does not run."""
        process = self._process
        if process is not None:
            process.send_signal(number)
            await eventually(lambda: _has_ended(process), "the end of the server")
            self._process = None

    async def _accepts(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn, timeout=5)
        except (OSError, asyncpg.CannotConnectNowError):
            return False
        await connection.close()
        return True


async def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


@asynccontextmanager
async def own_server() -> AsyncIterator[Server]:
    """Run a server with a migrated database for the length of the block."""
    with open_folder() as folder:
        with EmbeddedPostgres(folder / "data", options=FAST) as made:
            await migrate.up(made.dsn)
        server = Server(folder)
        try:
            await server.start()
            yield server
        finally:
            await server.stop(IMMEDIATE_STOP)
