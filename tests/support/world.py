"""Everything that an end-to-end test needs, in one fixture: a database, a receiver, an application, and daemons."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.application import Application
from tests.support.daemon import CHECKOUT, Daemon, Sections, start_daemon, surroundings
from tests.support.receiver import Receiver
from tests.support.waiting import LIMIT

PROOF = 8
"""Successes after which an endpoint may have more than five hundred in flight."""


class World:
    """The parties of a test. Daemons that were started here are killed at its end.

    Attributes:
        dsn: Of the database, fresh and migrated.
        receiver: Listens already.
        application: Has no events and no endpoints yet.
        daemons: Every one started, in order.
    """

    def __init__(self, dsn: str, receiver: Receiver, application: Application, folder: Path) -> None:
        self.dsn = dsn
        self.receiver = receiver
        self.application = application
        self.folder = folder
        self.daemons: list[Daemon] = []

    async def start(
        self,
        sections: Sections | None = None,
        *,
        dsn: str | None = None,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        waits: bool = True,
        wrapper: Sequence[str] = (),
    ) -> Daemon:
        """Start a daemon on the database.

        Args:
            sections: Of its configuration, on top of what all have.
            dsn: Another way to the database, such as through a proxy.
            options: More of its command line.
            environment: Added to what it gets.
            waits: Until it has reported that it is ready.
            wrapper: A command that runs the command that follows it.
        """
        folder = self.folder / f"daemon-{len(self.daemons) + 1}"
        folder.mkdir()
        daemon = await start_daemon(
            folder,
            dsn or self.dsn,
            options=options,
            sections=sections,
            environment=environment,
            wrapper=wrapper,
        )
        self.daemons.append(daemon)
        if waits:
            await daemon.wait_until_started()
        return daemon

    async def prove(self, daemon: Daemon, **columns: object) -> None:
        """Have some events delivered, so that endpoints may have all in flight that they are set to.

        Args:
            daemon: Delivers them.
            columns: Of the events.
        """
        for event_id in await self.application.insert_all(['{"id": 0}'] * PROOF, **columns):
            await daemon.wait_for_log("delivery.delivered", event_id=event_id)

    async def relay(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Any:
        """Run a command of `relay` on the database; it must succeed. Returns what it printed, from JSON.

        Args:
            arguments: Of the command line.
            environment: Added to what it gets.
        """
        code, printed, complained = await self._run(arguments, environment or {})
        assert code == 0, complained
        return orjson.loads(printed)

    async def relay_text(self, *arguments: str) -> str:
        """Run a command that must succeed; returns what it printed, without the line's end."""
        code, printed, complained = await self._run(arguments, {})
        assert code == 0, complained
        return printed.rstrip("\n")

    async def try_relay(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Run a command that may fail; returns its exit code, and what it complained of."""
        code, _, complained = await self._run(arguments, environment or {})
        return code, complained

    async def _run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "relay",
            *arguments,
            cwd=CHECKOUT,
            env={**surroundings(), "RELAY_DATABASE__DSN": self.dsn, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(LIMIT):
            printed, complained = await process.communicate()
        return process.returncode or 0, printed.decode(), complained.decode()


@pytest.fixture
async def world(database: str, tmp_path: Path) -> AsyncIterator[World]:
    """Provide the parties of a test on a fresh database."""
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(Receiver())
        application = await stack.enter_async_context(Application(database))
        parties = World(database, receiver, application, tmp_path)
        try:
            yield parties
        finally:
            for daemon in parties.daemons:
                await daemon.kill()
