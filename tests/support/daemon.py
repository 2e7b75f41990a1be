"""The real daemon as a process of its own: started with a configuration file, heard by its log, and surely ended."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from tests.support.waiting import LIMIT, Changes

CHECKOUT = Path(__file__).parents[2]
LogLine = dict[str, Any]
Sections = Mapping[str, Mapping[str, object]]

LOOPBACK: Sections = {
    "security": {"allow_http": True, "allow_cidrs": ["127.0.0.0/8"]},
    "metrics": {"listen": ""},
    "admin": {"listen": ""},
    "log": {"format": "json"},
}
"""What every test wants, unless it says otherwise."""
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def config_text(*layers: Sections) -> str:
    """Return sections as TOML; of a key that several layers set, the last counts."""
    merged: dict[str, dict[str, object]] = {}
    for layer in layers:
        for section, keys in layer.items():
            merged.setdefault(section, {}).update(keys)
    parts = [
        "\n".join([f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in keys.items())])
        for section, keys in merged.items()
    ]
    return "\n\n".join(parts) + "\n"


def _toml(value: object) -> str:
    return orjson.dumps(value).decode()  # numbers, booleans, texts and lists are written alike


def surroundings() -> dict[str, str]:
    """Return this process's environment without what would configure Relay."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RELAY_") and name not in {"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"}
    }


class Daemon:
    """One run of `relay run`.

    Attributes:
        lines: What it logged so far, parsed.
        raw: The same lines as bytes, and any that were no JSON.
        stderr: What it wrote there so far.
    """

    def __init__(self, process: asyncio.subprocess.Process, config: Path) -> None:
        self.config = config
        self.lines: list[LogLine] = []
        self.raw: list[bytes] = []
        self.stderr = bytearray()
        self.changes = Changes()
        self._process = process
        self._ended = False
        self._watching = asyncio.gather(self._read_log(), self._read_errors())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs, negative if by a signal."""
        return self._process.returncode

    def logged(self, event: str, **match: object) -> list[LogLine]:
        """Return the lines so far of this event whose keys have these values."""
        return [line for line in self.lines if _is(line, event, match)]

    async def wait_for_log(
        self, event: str, *, count: int = 1, limit: float = LIMIT, **match: object
    ) -> LogLine:
        """Wait for the `count`-th line of this event whose keys have these values, and return it.

        Raises:
            AssertionError: It did not come in time, or the process ended before.
        """
        seen = 0
        found: list[LogLine] = []

        def look() -> bool:
            nonlocal seen
            found.extend(line for line in self.lines[seen:] if _is(line, event, match))
            seen = len(self.lines)
            return len(found) >= count or self._ended

        await self.changes.wait_for(look, lambda: f"{count} x {event} {match}; {self!r}", limit=limit)
        assert len(found) >= count, (
            f"it ended with {self.exit_code} before {count} x {event} {match}; {self!r}"
        )
        return found[count - 1]

    async def wait_until_started(self, limit: float = LIMIT) -> None:
        """Wait until it has reported that it is ready."""
        await self.wait_for_log("relay.started", limit=limit)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def terminate(self, limit: float = LIMIT) -> int:
        """Ask it to drain and end, and return its exit code."""
        if self.exit_code is None:
            self._process.terminate()
        return await self.wait(limit)

    async def kill(self) -> None:
        """End it as the kernel's out-of-memory killer would."""
        if self.exit_code is None:
            self._process.kill()
        await self.wait()

    async def wait(self, limit: float = LIMIT) -> int:
        """Wait for its end, with all of its output read, and return its exit code."""
        try:
            async with asyncio.timeout(limit):
                code = await self._process.wait()
                await self._watching
        except TimeoutError:
            raise AssertionError(f"it did not end within {limit:g} s; {self!r}") from None
        return code

    async def _read_log(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while line := await stream.readline():
            self.raw.append(line)
            try:
                self.lines.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                self.lines.append({"event": "no JSON", "text": line.decode(errors="replace")})
            self.changes.tell()
        self._ended = True
        self.changes.tell()

    async def _read_errors(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        while chunk := await stream.read(65536):
            self.stderr += chunk

    def __repr__(self) -> str:
        tail = b"".join(self.raw[-12:]).decode(errors="replace")
        return (
            f"<Daemon {self.pid}, exit code {self.exit_code}; its last lines:\n{tail}{self.stderr.decode()}>"
        )


def _is(line: LogLine, event: str, match: Mapping[str, object]) -> bool:
    return line.get("event") == event and all(
        key in line and (line[key] == value or str(line[key]) == str(value)) for key, value in match.items()
    )


async def start_daemon(
    folder: Path,
    dsn: str | None = None,
    *,
    options: Sequence[str] = (),
    sections: Sections | None = None,
    environment: Mapping[str, str] | None = None,
    wrapper: Sequence[str] = (),
) -> Daemon:
    """Start the daemon; whoever calls this ends it. The kernel kills it when this process dies.

    Args:
        folder: Where its configuration file goes.
        dsn: Its database; None with `--embedded`.
        options: More of the command line, such as "--embedded" or "--until-idle".
        sections: Of the configuration, on top of `LOOPBACK`.
        environment: Added to this process's own, of which nothing configures Relay.
        wrapper: A command that runs the command that follows it.
    """
    config = folder / "relay.toml"
    database: Sections = {"database": {"dsn": dsn}} if dsn else {}
    config.write_text(config_text(LOOPBACK, database, sections or {}), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *wrapper,
        sys.executable,
        "-m",
        "relay",
        "run",
        "--config",
        str(config),
        *options,
        cwd=CHECKOUT,
        env={**surroundings(), **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=4 * 1024**2,
        preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
    )
    return Daemon(process, config)


@asynccontextmanager
async def running_daemon(folder: Path, dsn: str | None = None, **how: Any) -> AsyncIterator[Daemon]:
    """Run the daemon for the length of the block, ready at its start and killed at its end at the latest."""
    daemon = await start_daemon(folder, dsn, **how)
    try:
        await daemon.wait_until_started()
        yield daemon
    finally:
        await daemon.kill()
