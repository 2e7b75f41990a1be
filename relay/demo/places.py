"""Where the demo lives: a folder that goes away with it, and a port that nobody else has."""

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from relay.embedded.account import choose_account
from relay.embedded.errors import EmbeddedError
from relay.embedded.reset import reset
from relay.embedded.traverse import can_enter

PREFIX = "relay-demo-"
LOCK = "in-use"
DATA = "db"
"""The name of PostgreSQL's data directory in the folder."""
PORTS_TRIED = 100


@contextmanager
def throw_away_folder() -> Iterator[Path]:
    """Make a folder that PostgreSQL's user can enter, and remove it with all that is in it.

    Folders that killed demos left behind are removed too: a living one holds the lock in its own.

    Raises:
        EmbeddedError: There is no place for one.
    """
    parent = _parent()
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    folder.chmod(0o755)  # as root the server runs as another user
    lock = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(lock)


@contextmanager
def reserved_port(wanted: int) -> Iterator[int]:
    """Find the first free port of the loopback from `wanted` on, by binding; other demos leave it alone meanwhile.

    Between the look and the relay's own bind the port is nobody's. Another demo would take the same one, so they
    agree by a name in the abstract namespace of Unix sockets (unix(7)), which goes away with its process.

    Raises:
        EmbeddedError: None is free.
    """
    for port in range(wanted, wanted + PORTS_TRIED):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as claim:
            if _binds(claim, f"\0{PREFIX}port-{port}") and _is_free(port):
                yield port
                return
    raise EmbeddedError(
        f"no port of 127.0.0.1 from {wanted} on is free; end some of the programs that listen there"
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the relay will
        return _binds(probe, ("127.0.0.1", port))


def _binds(one: socket.socket, address: str | tuple[str, int]) -> bool:
    try:
        one.bind(address)
    except OSError:
        return False
    return True


def _parent() -> Path:
    candidates = [Path(tempfile.gettempdir()), *map(Path, ("/tmp", "/var/tmp", "/dev/shm"))]  # noqa: S108 - mkdtemp
    for parent in candidates:
        account = choose_account(parent / "none yet")
        if os.access(parent, os.W_OK | os.X_OK) and can_enter(parent, account):
            return parent
    raise EmbeddedError(
        f"no folder for a database that goes away again: tried {', '.join(map(str, candidates))};"
        " make /tmp writable, or set TMPDIR to a folder that everybody may enter"
    )


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove what a killed demo left, its server's socket outside the folder included."""
    with suppress(EmbeddedError):
        reset(folder / DATA)
    shutil.rmtree(folder)


def _lock(folder: Path) -> int:
    """Hold the lock before its file has its name, so that no sweep sees it free."""
    draft = folder / f"{LOCK}.new"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    draft.rename(folder / LOCK)
    return descriptor
