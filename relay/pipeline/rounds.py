"""The loops of the pipeline: one step after another while this relay is active, through losses of the database."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import asyncpg

from relay.observe.logs import get_logger
from relay.pipeline.fanout import FanOut
from relay.pipeline.listener import Rest
from relay.pipeline.recorder import Recorder
from relay.pipeline.scheduler import Scheduler
from relay.pipeline.slots import Slots
from relay.store.session import DatabaseAway, ValueRefused
from relay.store.watch import Backoff

log = get_logger()

LONGEST_WAIT = 0.25
"""Seconds that events are left unseen for want of a slot; then they are written down, for claims to come."""
LUMP_WAIT = 0.02
"""Seconds to wait for more slots than the first, while more events wait than were read."""

LOST = (DatabaseAway, ValueRefused, asyncpg.PostgresError)
"""What a step may fail with: nothing is known of what it was at."""

Wait = Callable[[], Awaitable[None]]
Step = Callable[[], Awaitable[Wait | None]]
"""Does something, and returns what waits, for however long, until there is more to do; None if that may be at once."""


async def either(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    if any(event.is_set() for event in events):
        return
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


class Rounds:
    """Repeats a step until it is asked to stop; a step under way is never cut off.

    Args:
        active: Set while this relay may start something.
        stop: Set when it is to end.
    """

    def __init__(self, *, active: asyncio.Event, stop: asyncio.Event) -> None:
        self._active = active
        self._stop = stop

    async def repeat(self, step: Step, *, after_loss: Callable[[], None], backoff: Backoff) -> None:
        """Repeat `step` and the wait after it; after a failed one call `after_loss` and pause."""
        while True:
            await either(self._active, self._stop)
            if self._stop.is_set():
                return
            try:
                wait = await step()
                backoff.succeeded()
                if wait is not None:
                    await wait()
            except LOST as error:
                after_loss()
                await backoff.failed(error)


class FanOutRound:
    """One round of the fan-out: look, hand on what was found, and rest if that was all.

    While one page is written the next is looked for, so that an event that comes meanwhile does not wait for both.
    """

    def __init__(self, *, fanout: FanOut, rest: Rest, slots: Slots) -> None:
        self._fanout = fanout
        self._rest = rest
        self._slots = slots
        self._writing: asyncio.Task[None] | None = None
        self._is_resting = False
        self._has_more = False
        self.first_look = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether there is no more to be found, and everything found is written."""
        return self._is_resting and (self._writing is None or self._writing.done())

    async def step(self) -> None:
        """Look once, and rest until another look is due."""
        if self._writing is not None and self._writing.done():
            await self.written()
        if self.first_look.is_set():
            await self._wait_for_slots()
        if self._fanout.reads_all:
            await self.written()  # what is being written would be read again
        started = time.monotonic()
        if not self._has_more:
            self._rest.begin_look()  # else it goes on in an old snapshot, and sees nothing new
        page = await self._fanout.look()
        if page.rows:
            await self.written()
            self._writing = asyncio.create_task(self._fanout.write(page), name="fan-out of a page")
            self._writing.add_done_callback(self._wake_after)
            await asyncio.sleep(0)  # it takes its slots before the next look asks how many there are
        self.first_look.set()
        if page.rows and self._fanout.only_spilled:
            # No slot is free, so nothing is gained by haste: half of the database's time is left to the rest.
            await self.written()
            await asyncio.sleep(time.monotonic() - started)
        elif not page.rows:
            await self.written()
        self._has_more = self._slots.new_waits = page.has_more
        self._is_resting = not page.has_more
        try:
            await self._rest.after_look(len(page.rows), self._fanout.snapshot, has_more=page.has_more)
        finally:
            self._is_resting = False

    async def _wait_for_slots(self) -> None:
        """Leave events where they are while all slots are taken, or too few for all that are known to wait.

        What is leased at once costs half of what is written down first and claimed later, and few at a time cost more.
        """
        if not self._slots.free_to_lease:
            self._slots.new_waits = True
            await self._slots.wait_for_some(1, LONGEST_WAIT)
        if self._has_more:
            await self._slots.wait_for_some(self._slots.lump, LUMP_WAIT)

    def _wake_after(self, writing: "asyncio.Task[None]") -> None:
        """Let the rest end if the write failed, or when rows are to be looked for again that it found locked."""
        if not writing.cancelled() and writing.exception() is not None:
            self._rest.wake()
        elif self._fanout.look_at_all_in is not None:
            asyncio.get_running_loop().call_later(self._fanout.look_at_all_in, self._rest.wake)

    async def written(self) -> None:
        """Wait until what was found is written.

        Raises:
            DatabaseAway: As of `FanOut.write`.
        """
        writing = self._writing
        if writing is not None:
            try:
                await asyncio.shield(writing)
            finally:
                if writing.done():
                    self._writing = None


class ClaimRound:
    """One round of the scheduler: claim what is due, or wait until something is."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        recorder: Recorder,
        wake: asyncio.Event,
        stop: asyncio.Event,
        delay: Callable[[], float | None],
    ) -> None:
        self._scheduler = scheduler
        self._recorder = recorder
        self._wake = wake
        self._stop = stop
        self._delay = delay
        self.is_idle = False

    async def step(self) -> Wait | None:
        """Claim once; if there is no more to claim, returns what waits for a due time, a free slot, or news."""
        # What stuck outcomes tell must be known before their leases are claimed again.
        await either(self._recorder.caught_up, self._stop)
        if self._stop.is_set():
            return None  # its wake-up has been given already
        self._wake.clear()
        return None if await self._scheduler.step() else self._wait

    async def _wait(self) -> None:
        delay = self._delay()
        self.is_idle = delay is None or delay > 0
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            pass
        finally:
            self.is_idle = False
