import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from relay.embedded.errors import AlreadyRunning, EmbeddedError
from relay.embedded.ownership import Record
from relay.embedded.postmaster import PATIENCE, dsn_of, running, servers_in
from relay.embedded.sockets import remove_socket_dir


def clear_up(data_dir: Path, record: Record | None) -> None:
    """End and remove what an owner that is gone left behind; call it with the ownership in hand.

    Args:
        data_dir: the data directory.
        record: what the last owner wrote.

    Raises:
        AlreadyRunning: a server runs that no owner of ours started; it is left alone.
        EmbeddedError: processes are left that do not end.
    """
    left = record.socket_dir if record is not None else None
    server = running(data_dir)
    if server is not None and (left is None or server.socket_dir not in {left, None}):
        raise _foreign(data_dir, server.pid, server.socket_dir)
    _end_leftovers(data_dir)
    if left is not None:
        remove_socket_dir(left)


def _foreign(data_dir: Path, pid: int, socket_dir: Path | None) -> AlreadyRunning:
    return AlreadyRunning(
        f"a PostgreSQL server that relay did not start (process {pid}) runs on {data_dir}:"
        " stop it, or choose another data_dir",
        dsn=None if socket_dir is None else dsn_of(socket_dir),
        owner_pid=None,
    )


def _end_leftovers(data_dir: Path, patience: float = PATIENCE) -> None:
    """End what a dead owner left on this data directory, or wait for what is ending already.

    A postmaster gets a fast shutdown. Children without a postmaster have nothing left to do, but as long as
    one lives, a new server would share its files with it.

    Raises:
        EmbeddedError: processes are left that do not end.
    """
    if not _pid_file(data_dir).exists():
        return
    server = running(data_dir)
    if server is not None:
        _send([server.pid], signal.SIGINT)
        if _wait(lambda: not servers_in(data_dir), patience):
            return
    for number in (signal.SIGQUIT, signal.SIGKILL):
        _send(servers_in(data_dir), number)
        if _wait(lambda: not servers_in(data_dir), 5):
            # PostgreSQL would take a recycled pid of its user for a living server, and chokes on a torn file.
            _pid_file(data_dir).unlink(missing_ok=True)
            return
    raise EmbeddedError(f"PostgreSQL processes {servers_in(data_dir)} on {data_dir} do not end: end them")


def _pid_file(data_dir: Path) -> Path:
    return data_dir / "postmaster.pid"


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait(condition: Callable[[], bool], patience: float) -> bool:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
