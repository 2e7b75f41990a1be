import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from relay.embedded.account import Account, give
from relay.embedded.errors import EmbeddedError
from relay.embedded.traverse import can_enter

PREFIX = "relay-pg-"
LONGEST_PATH = 107  # unix(7): sun_path is 108 bytes, one of them the terminating zero
NAME = f"/{PREFIX}12345678/.s.PGSQL.5432"


def make_socket_dir(account: Account) -> Path:
    """Create a folder for the socket that only the server's user and root can enter.

    It cannot be in the data directory, whose path may be longer than a socket's path can be.

    Raises:
        EmbeddedError: there is no folder to create it in.
    """
    for parent in _candidates(os.environ):
        if _is_usable(parent, account):
            made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))  # 0700
            give(made, account)
            return made
    raise EmbeddedError(
        "no folder for PostgreSQL's socket: make /tmp, /run or /dev/shm writable,"
        " or set TMPDIR to a short path that everybody may traverse"
    )


def remove_socket_dir(socket_dir: Path) -> None:
    """Remove a folder that `make_socket_dir` made, of a server that has ended; leave all else alone."""
    if not socket_dir.name.startswith(PREFIX) or socket_dir.is_symlink():
        return
    with suppress(OSError):
        for leftover in socket_dir.glob(".s.PGSQL.*"):
            leftover.unlink()
        socket_dir.rmdir()


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    for name in ("RUNTIME_DIRECTORY", "TMPDIR"):  # the first is systemd's, a list
        if value := environment.get(name):
            yield Path(value.partition(":")[0])
    yield from map(Path, ("/tmp", "/run", "/dev/shm"))  # noqa: S108 - mkdtemp makes the name, 0700


def _is_usable(parent: Path, account: Account) -> bool:
    # The characters need no quoting in a list of folders (the server) nor in an address (the clients).
    plain = re.fullmatch(r"/[\w./-]*", str(parent), re.ASCII)
    short = len(os.fsencode(parent)) + len(NAME) <= LONGEST_PATH
    ours = parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)
    return bool(plain) and short and ours and can_enter(parent, account)
