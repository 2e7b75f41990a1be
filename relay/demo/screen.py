"""Shows the picture on a terminal, or a plain line a second where there is none."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import click
from rich.console import Console
from rich.live import Live

from relay.demo.picture import Hint, Speed, View, draw, plain_line
from relay.demo.tally import Tally

PICTURES_A_SECOND = 5
LINES_APART = 1.0


class Screen:
    """What the person sees while the demo runs.

    Args:
        tally: The counts.
        goal: How many events are to be committed; None: no end.
        hints: Where to look.

    Attributes:
        hints: The same; more may be put before them until it is shown.
        state: What is being done, in a few words.
    """

    def __init__(self, *, tally: Tally, goal: int | None, hints: tuple[Hint, ...]) -> None:
        self.state = ""
        self._tally = tally
        self._goal = goal
        self.hints = hints
        self._started = time.monotonic()
        self._speed = Speed(tally.arrived.total)

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Show it as long as the block."""
        work = self._draw() if is_terminal() else self._write()
        task = asyncio.create_task(work, name="screen")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _draw(self) -> None:
        console = Console()
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while True:
                width, height = console.size
                live.update(draw(self._view(), width=width, height=height), refresh=True)
                await asyncio.sleep(1 / PICTURES_A_SECOND)

    async def _write(self) -> None:
        for hint in self.hints:
            say(f"{hint.name}: {hint.command}" + (f"  {hint.note}" if hint.note else ""))
        while True:
            await asyncio.sleep(LINES_APART)
            say(plain_line(self._view()))

    def _view(self) -> View:
        seconds = time.monotonic() - self._started
        return View(
            tally=self._tally,
            hints=self.hints,
            goal=self._goal,
            seconds=seconds,
            speed=self._speed.per_second(seconds),
            state=self.state,
        )


def is_terminal() -> bool:
    """Say whether standard output is a terminal that can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}


def say(line: str) -> None:
    """Write a line for the person; whoever has hung up does not stop the demo."""
    with suppress(OSError):
        click.echo(line, err=True)
