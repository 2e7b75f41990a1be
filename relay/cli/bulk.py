"""What the commands share that change many deliveries: count, ask, start, and follow with a bar."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import click

from relay.admin.operations import bulk
from relay.cli.common import Access, OutputFormat, confirm, say
from relay.cli.output import show_one
from relay.lookback.operations import OVER, Operation, Selected
from relay.lookback.runner import work_off
from relay.store.session import Session

LOOK_EVERY = 0.2
"""Seconds between two looks at how far an operation has got."""
ASK_EVERY = 2.0
"""Seconds between two questions whether a relay is there to work."""

rate_option = click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), metavar="N", help="At most so many a second."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Only say how many match.")
detach_option = click.option(
    "--detach", is_flag=True, help="Do not wait: print the operation's number, and leave it to the relay."
)


def decide(
    access: Access, selected: Selected, question: str, *, dry_run: bool, yes: bool, output: OutputFormat
) -> bool:
    """Say how many were selected, and ask; returns whether to go on. If not, nothing is left of it."""
    say(f"{selected.total} {'delivery matches' if selected.total == 1 else 'deliveries match'}.")
    try:
        if dry_run or not selected.total:
            show_one({"matched": selected.total, "results": {}}, output)
            _forget(access, selected)
            return False
        confirm(question.format(number=selected.total), yes=yes)
    except BaseException:
        _forget(access, selected)
        raise
    return True


def carry_out(access: Access, selected: Selected, *, detach: bool, output: OutputFormat) -> None:
    """Start an operation and follow it to its end; whoever interrupts that leaves it to the relay."""
    number = selected.operation_id
    access.run(lambda session: bulk.change(session, number, "start", actor=access.actor))
    if detach:
        show_one({"operation": number, "matched": selected.total}, output)
        return
    follow(access, number, output)


def follow(access: Access, number: int, output: OutputFormat) -> None:
    """Show how far an operation has got until it ends, and then what became of its deliveries."""
    from rich.console import Console  # noqa: PLC0415 - only for people, and slow to import
    from rich.progress import Progress  # noqa: PLC0415 - goes with it

    console = Console(stderr=True)
    following = _Following(number)
    try:
        with Progress(console=console, disable=not console.is_terminal) as progress:
            bar = progress.add_task(f"operation {number}", total=None)

            def moved(now: Operation) -> None:
                progress.update(bar, total=now.total, completed=now.taken, description=_title(now))

            ended = access.run(lambda session: following.until_it_ends(session, moved))
    except KeyboardInterrupt:
        who = "waits for a relay to go on with it" if following.works else "goes on without you"
        say(
            f"\nOperation {number} {who}: `relay operation watch {number}` follows it, "
            f"`relay operation cancel {number}` ends it."
        )
        raise
    show_one(
        {
            "operation": ended.id,
            "matched": ended.total,
            "state": ended.state,
            "results": dict(sorted(ended.results.items())),
        },
        output,
    )
    if ended.state != "done":
        raise click.ClickException(
            f"operation {number} is {ended.state} after {ended.taken} of {ended.total}"
            + (f": {ended.detail}" if ended.detail else "")
        )


def _title(operation: Operation) -> str:
    return (
        f"operation {operation.id}" if operation.state == "running" else f"{operation.id}: {operation.state}"
    )


class _Following:
    """Watches the relay at an operation; while no relay runs, does its work."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._working: asyncio.Task[None] | None = None
        self.works = False

    async def until_it_ends(self, session: Session, moved: Callable[[Operation], None]) -> Operation:
        """Return the operation once it is over."""
        asked_at = float("-inf")
        try:
            while (now := await bulk.show(session, self._number)).state not in OVER:
                moved(now)
                if time.monotonic() - asked_at >= ASK_EVERY:
                    await self._take_over_or_leave(session, now)
                    asked_at = time.monotonic()
                await asyncio.sleep(LOOK_EVERY)
        finally:
            await self._leave()
        moved(now)
        return now

    async def _take_over_or_leave(self, session: Session, now: Operation) -> None:
        if self._working is not None and self._working.done():
            self._working.result()
            self._working = None
        if await bulk.is_relay_running(session):
            await self._leave()
        elif self._working is None and now.state == "running":
            if not self.works:
                say("No relay is running, so this command does it itself.")
            self.works = True
            self._working = asyncio.create_task(_alone(session, now))

    async def _leave(self) -> None:
        working, self._working = self._working, None
        if working is not None:
            self.works = False
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working


async def _alone(watching: Session, operation: Operation) -> None:
    session = watching.another("operation")
    try:
        await work_off(session, operation)
    finally:
        await session.close()


def _forget(access: Access, selected: Selected) -> None:
    access.run(lambda session: bulk.forget(session, selected.operation_id))
