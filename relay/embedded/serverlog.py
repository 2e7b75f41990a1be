import os
from pathlib import Path
from types import TracebackType
from typing import Self

from relay.embedded.account import Account, open_ours

LARGEST = 16 * 1024 * 1024
TAIL = 4096


class ServerLog:
    """The file of the server's messages: `DATA_DIR.log`, and `DATA_DIR.log.1` for what came before."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self._begin = os.fstat(descriptor).st_size

    @classmethod
    def open(cls, data_dir: Path, account: Account) -> Self:
        """Open it for a start of the server; what has grown large is put aside first."""
        path = log_file(data_dir)
        if path.is_file() and path.stat().st_size > LARGEST:
            path.replace(f"{path}.1")
        return cls(path, open_ours(path, os.O_RDWR | os.O_APPEND, account))

    def tail(self) -> str:
        """Return the last of what was written since it was opened."""
        end = os.fstat(self.descriptor).st_size
        begin = max(self._begin, end - TAIL)
        return os.pread(self.descriptor, end - begin, begin).decode(errors="replace").strip() or "(empty)"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self.descriptor)


def log_file(data_dir: Path) -> Path:
    """Return the file of the log: beside the data directory, which holds only PostgreSQL's own files."""
    return data_dir.with_name(f"{data_dir.name}.log")
