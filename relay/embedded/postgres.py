import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from relay.embedded.account import Account, choose_account
from relay.embedded.binaries import Binaries, find_bindir
from relay.embedded.children import run, start_server
from relay.embedded.cluster import prepare_cluster
from relay.embedded.errors import EmbeddedError
from relay.embedded.leftovers import clear_up
from relay.embedded.ownership import Ownership
from relay.embedded.postmaster import PATIENCE, READY, dsn_of, read_postmaster
from relay.embedded.reachable import make_reachable
from relay.embedded.serverlog import ServerLog
from relay.embedded.sockets import make_socket_dir, remove_socket_dir
from relay.embedded.traverse import require_way_to

START_LIMIT = 60.0
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # only a part of the socket's name
    "max_connections": "100",
    "shared_buffers": "128MB",
    "fsync": "on",
    "autovacuum": "on",
    "ssl": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_checkpoints": "off",
    "cluster_name": "relay",
}
CREATE_DATABASE = (
    "select 'create database relay' where not exists"
    " (select from pg_database where datname = 'relay') \\gexec\n"
)


class EmbeddedPostgres:
    """A PostgreSQL server that is this process's own: it starts, stops and dies with it.

    It listens on a Unix socket only. Nothing here needs an event loop. Call `start` from the main thread:
    when the thread that started the server ends, the kernel shuts the server down.

    Args:
        data_dir: created if absent; `DATA_DIR.owner` (the lock) and `DATA_DIR.log` lie beside it.
        bindir: the folder of PostgreSQL's programs, instead of the wheel's or Debian's.
        options: further settings of the server, e.g. `{"fsync": "off"}` for a throw-away one.
    """

    def __init__(
        self, data_dir: Path, *, bindir: Path | None = None, options: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir.resolve()
        self._bindir = bindir
        self._settings = {**SETTINGS, **(options or {})}
        self._ownership: Ownership | None = None
        self._socket_dir: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """The connection string of the database `relay`, for asyncpg and libpq."""
        if self._process is None or self._socket_dir is None:
            raise EmbeddedError("the embedded PostgreSQL is not started")
        return dsn_of(self._socket_dir)

    @property
    def pid(self) -> int:
        """The server's process."""
        return self.process.pid

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server, a child of ours."""
        if self._process is None:
            raise EmbeddedError("the embedded PostgreSQL is not started")
        return self._process

    def start(self) -> str:
        """Start the server and wait until it accepts connections, at most a minute; return its `dsn`.

        Raises:
            AlreadyRunning: another living process runs a server on this data directory.
            NoBinaries: there are no usable binaries.
            WrongMajorVersion: the data directory is another major version's.
            EmbeddedError: anything else, with the end of the server's log if it spoke.
        """
        if self._process is not None:
            return self.dsn
        try:
            self._start()
        except OSError as error:
            self.stop()
            raise EmbeddedError(f"cannot start PostgreSQL on {self.data_dir}: {error}") from error
        except BaseException:
            self.stop()
            raise
        return self.dsn

    def stop(self) -> None:
        """Shut the server down: fast, or at once if that takes half a minute. Harmless if not started."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._socket_dir is not None:
            remove_socket_dir(self._socket_dir)
            self._socket_dir = None
        if self._ownership is not None:
            self._ownership.release()
            self._ownership = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        account = choose_account(self.data_dir)
        binaries = make_reachable(find_bindir(self._bindir), account)
        _make_parents(self.data_dir, account)
        require_way_to(self.data_dir.parent, account)
        self._ownership = Ownership.acquire(self.data_dir, account)
        clear_up(self.data_dir, self._ownership.record)
        prepare_cluster(self.data_dir, binaries, account, durable=self._settings["fsync"] != "off")
        self._socket_dir = make_socket_dir(account)
        self._ownership.write(self._socket_dir)
        self._launch(binaries, account, self._socket_dir)

    def _launch(self, binaries: Binaries, account: Account, socket_dir: Path) -> None:
        with ServerLog.open(self.data_dir, account) as log:
            argv: list[str | Path] = [binaries.bindir / "postgres", "-D", self.data_dir]
            self._process = start_server([*argv, *self._arguments(socket_dir)], account, log.descriptor)
            self._wait_until_ready(log)
        server = f"{dsn_of(socket_dir, 'postgres')}&connect_timeout=30"
        run([binaries.bindir / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", server], account,
            stdin=CREATE_DATABASE)  # fmt: skip

    def _arguments(self, socket_dir: Path) -> list[str]:
        settings = {**self._settings, "unix_socket_directories": str(socket_dir)}
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _wait_until_ready(self, log: ServerLog) -> None:
        deadline = time.monotonic() + START_LIMIT
        while not self._is_ready():
            if self.process.poll() is not None:
                raise EmbeddedError(
                    f"PostgreSQL on {self.data_dir} ended while starting (status {self.process.returncode});"
                    f" the end of {log.path}:\n{log.tail()}"
                )
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"PostgreSQL on {self.data_dir} accepts no connections after {START_LIMIT:.0f} s;"
                    f" the end of {log.path}:\n{log.tail()}"
                )
            time.sleep(0.005)

    def _is_ready(self) -> bool:
        found = read_postmaster(self.data_dir)
        return found is not None and found.pid == self.pid and found.status == READY


def _make_parents(data_dir: Path, account: Account) -> None:
    """Create the folders above the data directory, open to the server's user; others stay as they are."""
    missing = [parent for parent in data_dir.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir()
        if account.dropped:
            parent.chmod(0o755)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGINT, PATIENCE), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience)
            return
