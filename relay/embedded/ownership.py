import fcntl
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from relay.embedded.account import Account, open_ours
from relay.embedded.errors import AlreadyRunning, EmbeddedError
from relay.embedded.postmaster import PATIENCE, READY, dsn_of, running


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What an owner wrote about itself beside the data directory.

    Attributes:
        pid: the owner's process.
        started: when that process started, in clock ticks since boot, so that a recycled pid is seen.
        socket_dir: the folder made for the server's socket.
    """

    pid: int
    started: int
    socket_dir: Path


class Ownership:
    """The right to run a server on a data directory, held until released or until this process ends.

    It is a lock on `DATA_DIR.owner`, which also says who holds it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, data_dir: Path, account: Account, patience: float = PATIENCE) -> Self:
        """Take the lock; wait for an owner whose server is just starting or stopping.

        Args:
            data_dir: the data directory, whose parent exists.
            account: the server's user.
            patience: seconds to wait.

        Raises:
            AlreadyRunning: another owner lives.
            EmbeddedError: the file of the lock cannot be opened.
        """
        deadline = time.monotonic() + patience
        while (descriptor := _try_lock(data_dir, account)) is None:
            server = running(data_dir)
            if (server is not None and server.status == READY) or time.monotonic() > deadline:
                raise _already_running(data_dir)
            time.sleep(0.02)
        return cls(descriptor)

    @property
    def record(self) -> Record | None:
        """What the owner before us left, or what we wrote."""
        return _parse(os.pread(self._descriptor, 4096, 0))

    def write(self, socket_dir: Path) -> None:
        """Say that we are the owner, and where our server's socket is."""
        pid = os.getpid()
        text = json.dumps({"pid": pid, "started": _started(pid), "socket_dir": str(socket_dir)})
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)


def owner_file(data_dir: Path) -> Path:
    """Return the file of the lock and of the owner's record, beside the data directory."""
    return data_dir.with_name(f"{data_dir.name}.owner")


def _try_lock(data_dir: Path, account: Account) -> int | None:
    path = owner_file(data_dir)
    try:
        descriptor = open_ours(path, os.O_RDWR, account)
    except FileExistsError:  # another process created it in between
        return None
    except OSError as error:
        raise EmbeddedError(
            f"cannot open {path} ({error.strerror}): run as the owner of {data_dir} or as root,"
            " or choose another data_dir"
        ) from error
    if _locked(descriptor) and _is_at(path, descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    """Say whether the locked file is still the one of that name: a reset removes it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    return False


def _already_running(data_dir: Path) -> AlreadyRunning:
    record = _parse(owner_file(data_dir).read_bytes())
    owner = record.pid if record is not None and _started(record.pid) == record.started else None
    server = running(data_dir)
    dsn = dsn_of(server.socket_dir) if server is not None and server.socket_dir is not None else None
    who = f"process {owner}" if owner is not None else "another process"
    return AlreadyRunning(
        f"{who} already runs PostgreSQL on {data_dir}"
        f" ({dsn or 'not accepting connections yet'}): use that one, stop it, or choose another data_dir",
        dsn=dsn,
        owner_pid=owner,
    )


def _parse(content: bytes) -> Record | None:
    try:
        found = json.loads(content)
        return Record(pid=found["pid"], started=found["started"], socket_dir=Path(found["socket_dir"]))
    except (ValueError, KeyError, TypeError):  # empty, or cut off by a kill
        return None


def _started(pid: int) -> int:
    """Return when a process started (field 22 of proc_pid_stat(5)), or 0 if it is gone."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except OSError:
        return 0
    return int(after_name.split()[19])
