"""The relay of the demo: the real daemon, in a process of its own."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
START_LIMIT = 10.0
ASKED_EVERY = 0.05
STOP_LIMIT = 10.0
LAST_LINES = 20
LONGEST_TAIL = 16 * 1024
PACKAGES = Path(__file__).parents[2]
NOT_PASSED_ON = ("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
LOOPBACK = "127.0.0.0/8"
SETTINGS = {
    "SECURITY__ALLOW_HTTP": "true",
    "SECURITY__ALLOW_CIDRS": LOOPBACK,
    "RETRY__BASE": "200ms",
    "RETRY__FACTOR": "2",
    "RETRY__MAX_DELAY": "1s",
    "DELIVERY__TIMEOUT": "10s",
    "DELIVERY__DRAIN": "5s",
    "LOG__FORMAT": "json",
}
"""What the demo sets otherwise than the defaults: its receiver is on the loopback, and retries come soon."""


class Daemon:
    """A running `relay run`.

    Args:
        log: The file that its output goes to.
        settings: What is otherwise than the defaults, as in the environment but without `RELAY_`.
        program: What Python runs.
    """

    def __init__(
        self, log: Path, settings: Mapping[str, str] = SETTINGS, program: Sequence[str] = ("-m", "relay")
    ) -> None:
        self.log = log
        self._settings = settings
        self._program = program
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *, dsn: str, port: int, admin_port: int | None = None) -> None:
        """Start it on this database; the kernel kills it if we die.

        Args:
            dsn: The database.
            port: For its health endpoints.
            admin_port: For its panel; None: it has none.
        """
        nothing = self.log.with_name("relay.toml")
        nothing.touch()  # keeps the daemon from a configuration that this machine may have
        settings = {
            **self._settings,
            "CONFIG": str(nothing),
            "DATABASE__DSN": dsn,
            "METRICS__LISTEN": f"127.0.0.1:{port}",
            "ADMIN__LISTEN": "" if admin_port is None else f"127.0.0.1:{admin_port}",
        }
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", *self._program, "run",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=_environment(os.environ, settings),
                start_new_session=True,  # a terminal's Ctrl-C is for the demo alone
                preexec_fn=_dies_with_us(),
            )  # fmt: skip

    async def answers(self, port: int) -> None:
        """Wait until it listens at a port of the loopback; not for ever, and not once it has ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_LIMIT):
                while self._process is not None and self._process.returncode is None:
                    with suppress(OSError):
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                        writer.close()
                        return
                    await asyncio.sleep(ASKED_EVERY)

    @property
    def pid(self) -> int | None:
        """The process; None if it was not started."""
        return None if self._process is None else self._process.pid

    async def ended(self) -> str:
        """Wait until it has ended, and say how: with the end of its log."""
        if self._process is None:
            return "the relay was not started"
        status = await self._process.wait()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"the relay {how}; the end of its log:\n{self.tail()}"

    async def stop(self) -> None:
        """Let it drain and end; kill it if that takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                process.send_signal(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_LIMIT)
                return

    def tail(self) -> str:
        """Return the last lines that it wrote."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - LONGEST_TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-LAST_LINES:]) or "(it wrote nothing)"


def _environment(ours: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Pass on everything but Relay's own settings and what belongs to a service."""
    kept = {
        name: value
        for name, value in ours.items()
        if not name.startswith("RELAY_") and name not in NOT_PASSED_ON
    }
    path = os.pathsep.join(filter(None, (str(PACKAGES), ours.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, **{f"RELAY_{name}": value for name, value in settings.items()}}


def _dies_with_us() -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl
    us = os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != us:  # we died between fork and prctl
            os._exit(1)

    return before_exec
