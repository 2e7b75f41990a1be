"""Where log lines go: one descriptor, written so that no log call can ever fail or break a line."""

import io
import os
import sys
from collections.abc import Mapping
from typing import BinaryIO, TextIO, cast

Stream = BinaryIO | TextIO


class Output:
    """A line-wise writer that drops lines which the stream does not take, and counts them.

    A line that went out in part (a non-blocking pipe that is full) is completed before the next one begins.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._descriptor: int | None = None
        self._file: BinaryIO | None = None
        self._rest = b""

    def open(self, stream: Stream) -> None:
        """Write to this stream from now on: to its descriptor, or if it has none, to its `write`."""
        self._rest = b""
        self._descriptor, self._file = descriptor_of(stream), None
        if self._descriptor is None:
            self._file = cast("BinaryIO", getattr(stream, "buffer", stream))

    def write(self, line: bytes) -> None:
        """Write a whole line, or several, or nothing of them and count them. Never raises."""
        if not self._complete() or not self._begin(line):
            self.dropped += max(line.count(b"\n"), 1)

    def flush(self) -> None:
        """Nothing is kept back, so nothing is to be done; structlog's logger calls it."""

    def _complete(self) -> bool:
        """Write what is left of the last line; False if the stream still does not take it all."""
        if self._rest:
            written = self._try(self._rest)
            self._rest = self._rest[max(written, 0) :]
        return not self._rest

    def _begin(self, line: bytes) -> bool:
        written = self._try(line)
        if written <= 0:
            return False
        self._rest = line[written:]
        return True

    def _try(self, data: bytes) -> int:
        """Return how many bytes the stream took; 0 or less if none, whatever the reason."""
        try:
            if self._descriptor is not None:
                return os.write(self._descriptor, data)
            return self._file.write(data) if self._file is not None else 0
        except (OSError, ValueError):  # full, broken, closed: there is nowhere to complain to
            return 0


def descriptor_of(stream: Stream) -> int | None:
    """Return the stream's descriptor after writing out what it holds, or None if it has none."""
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError, io.UnsupportedOperation):
        return None


def is_journal(descriptor: int | None, environment: Mapping[str, str]) -> bool:
    """Say whether this is the journal: JOURNAL_STREAM names its device and inode (systemd.exec(5))."""
    named = environment.get("JOURNAL_STREAM", "")
    if descriptor is None or not named:
        return False
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return named == f"{status.st_dev}:{status.st_ino}"


def is_terminal(descriptor: int | None) -> bool:
    """Say whether a person is looking."""
    return descriptor is not None and os.isatty(descriptor)


def standard_output() -> Stream:
    """Return stdout, looked up at the call since tests and supervisors exchange it."""
    return sys.stdout
