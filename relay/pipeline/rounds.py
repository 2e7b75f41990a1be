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

Step = Callable[[], Awaitable[None]]


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
        """Repeat `step`; after a failed one call `after_loss` and pause."""
        while True:
            await either(self._active, self._stop)
            if self._stop.is_set():
                return
            try:
                await step()
                backoff.succeeded()
            except (DatabaseAway, ValueRefused, asyncpg.PostgresError) as error:
                after_loss()
                await backoff.failed(error)


class FanOutRound:
    """One round of the fan-out: look, fan out, or rest."""

    def __init__(self, *, fanout: FanOut, rest: Rest, slots: Slots) -> None:
        self._fanout = fanout
        self._rest = rest
        self._slots = slots
        self.is_idle = False
        self.first_look = asyncio.Event()

    async def step(self) -> None:
        """Fan out what is new; if nothing is, wait for a wake-up or the poll.

        While all slots are taken, events are better left where they are for a moment: what is leased at once costs half
        of what is written down first and claimed later.
        """
        if self.first_look.is_set() and not self._slots.free_for_new:
            await self._slots.wait_for_some(LONGEST_WAIT)
        started = time.monotonic()
        found = await self._fanout.step()
        self.first_look.set()
        self.is_idle = found == 0
        if found:
            await self._rest.found_work()
            if self._fanout.only_spilled:
                # No slot is free, so nothing is gained by haste: half of the database's time is left to the rest.
                await asyncio.sleep(time.monotonic() - started)
        else:
            await self._rest.found_nothing(self._fanout.snapshot)


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

    async def step(self) -> None:
        """Claim once; if there is no more to claim, wait for a due time, a free slot, or news."""
        # What stuck outcomes tell must be known before their leases are claimed again.
        await either(self._recorder.caught_up, self._stop)
        if self._stop.is_set():
            return  # its wake-up has been given already
        self._wake.clear()
        if await self._scheduler.step():
            return
        delay = self._delay()
        self.is_idle = delay is None or delay > 0
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            pass
        finally:
            self.is_idle = False
