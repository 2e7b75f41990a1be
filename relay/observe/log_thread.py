"""Writes log lines from a thread of its own, so that a reader who stalls never stalls the event loop."""

import threading
from collections import deque
from typing import Protocol

MOST_BYTES = 8 * 1024 * 1024
"""Of lines that wait; what comes on top is dropped and counted."""
LINGER = 0.005
"""Seconds that lines wait for company: a write costs more than many lines do."""


class Sink(Protocol):
    """Takes bytes that are whole lines."""

    dropped: int

    def write(self, line: bytes) -> None:
        """Write, or drop and count."""


class LogThread:
    """A bounded queue of lines before a sink, and the thread that empties it.

    Args:
        sink: Written to by the thread alone.
        most: Bytes that wait at most.
    """

    def __init__(self, sink: Sink, *, most: int = MOST_BYTES) -> None:
        self._sink = sink
        self._most = most
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._counting = threading.Lock()
        self._taken = self._written = 0  # bytes
        self._arrived = threading.Event()
        self._last_one = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines did not get out, here or at the sink."""
        return self._dropped + self._sink.dropped

    def write(self, line: bytes) -> None:
        """Take a line, or several; never waits and never raises. After `close` it goes straight to the sink.

        Unless the sink still holds up the thread: it would hold up the caller as well.
        """
        if not self._thread.is_alive():
            self._sink.write(line)
            return
        with self._counting:
            if self._taken - self._written >= self._most:
                self._dropped += max(line.count(b"\n"), 1)
                return
            self._taken += len(line)
        self._lines.append(line)
        if not self._arrived.is_set():
            self._arrived.set()

    def flush(self) -> None:
        """Nothing to do here: lines go out within milliseconds; structlog's logger calls it after each."""

    def close(self, limit: float = 2.0) -> None:
        """Write what waits and end, within `limit` seconds."""
        self._last_one.set()
        self._arrived.set()
        self._thread.join(limit)
        if not self._thread.is_alive():
            self._write_waiting()  # what came while the thread ended

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            if not self._last_one.wait(LINGER):
                self._arrived.clear()
            if not self._write_waiting() and self._last_one.is_set():
                return

    def _write_waiting(self) -> bool:
        """Write what waits in one piece; False if nothing does."""
        lines = self._lines
        batch = [lines.popleft() for _ in range(len(lines))]
        if batch:
            piece = b"".join(batch)
            self._sink.write(piece)
            self._written += len(piece)
        return bool(batch)
