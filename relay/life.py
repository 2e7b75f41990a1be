"""The life of one relay: it feeds the stages until the stop, drains, records what is left, and takes its leave.

The recorder is outermost, deliveries inside it, what starts them innermost: leaving the blocks is the stop.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from relay import __version__
from relay.caretakers import Caretakers
from relay.endpoints.registry import Registry
from relay.keyring import Keyring
from relay.observe import systemd
from relay.observe.logs import get_logger
from relay.observe.loop_lag import LoopLag
from relay.pipeline.dispatcher import Dispatcher
from relay.pipeline.fanout import FanOut
from relay.pipeline.listener import Rest
from relay.pipeline.recorder import Recorder
from relay.pipeline.rounds import LOST, ClaimRound, FanOutRound, Rounds, either
from relay.pipeline.scheduler import Scheduler
from relay.pipeline.slots import Slots
from relay.process import calm_the_collector, nothing_to_do
from relay.store.instance import Instance
from relay.store.watch import Backoff

log = get_logger()

LAST_WRITE = 5.0
"""Seconds that the recorder gets at the end of a stop, even when the drain is over."""


class Life:
    """Runs the parts of a relay from when they are put together to their end.

    Args:
        stop: Set when it is to drain and end.
        until_idle: Whether it is to end by itself once nothing is to do.
        drain: Returns how long what is in flight may take at a stop.
        instance: This process among the relays.
        registry: Counted in the log.
        slots: What is in hand.
        recorder: Writes outcomes to the last.
        dispatcher: Has the deliveries.
        scheduler: Told when claims may have been lost.
        fanout: Told when its cursor may be wrong.
        rest: How the fan-out waits.
        fanning: One step of the fan-out.
        claiming: One step of the claims.
        caretakers: Run beside it.
        keyring: Seals what is still plain.
        loop_lag: To be kept running.
        wake: Wakes the scheduler.
        backoff: Makes the pauses of a loop, by its name.
    """

    def __init__(
        self,
        *,
        stop: asyncio.Event,
        until_idle: bool,
        drain: Callable[[], timedelta],
        instance: Instance,
        registry: Registry,
        slots: Slots,
        recorder: Recorder,
        dispatcher: Dispatcher,
        scheduler: Scheduler,
        fanout: FanOut,
        rest: Rest,
        fanning: FanOutRound,
        claiming: ClaimRound,
        caretakers: Caretakers,
        keyring: Keyring,
        loop_lag: LoopLag,
        wake: asyncio.Event,
        backoff: Callable[[str], Backoff],
    ) -> None:
        self._stop = stop
        self._until_idle = until_idle
        self._drain = drain
        self._instance = instance
        self._registry = registry
        self._slots = slots
        self._recorder = recorder
        self._dispatcher = dispatcher
        self._scheduler = scheduler
        self._fanout = fanout
        self._rest = rest
        self._fanning = fanning
        self._claiming = claiming
        self._caretakers = caretakers
        self._keyring = keyring
        self._loop_lag = loop_lag
        self._wake = wake
        self._backoff = backoff

    async def run(self) -> None:
        """Live until the stop."""
        async with asyncio.TaskGroup() as background:
            recording = background.create_task(self._recorder.run(), name="recorder")
            chores = [
                background.create_task(self._instance.run(), name="instance"),
                background.create_task(systemd.keep_watchdog(systemd.watchdog_interval()), name="watchdog"),
                background.create_task(self._loop_lag.watch(), name="loop lag"),
                background.create_task(self._say_ready(), name="ready"),
                background.create_task(self._seal_plain(), name="sealing"),
                *(background.create_task(chore, name=name) for name, chore in self._caretakers.chores()),
            ]
            if self._until_idle:
                chores.append(background.create_task(self._stop_when_idle(), name="until idle"))
            async with self._dispatcher:
                await self._feed()
            await self._finish(recording)
            await self._caretakers.finish()
            await self._instance.leave(
                is_empty_handed=self._slots.in_hand == 0 and not self._scheduler.suspects_strays
            )
            for chore in chores:
                chore.cancel()

    async def _feed(self) -> None:
        """Run the loops that start deliveries, until the stop; a step under way ends in its own time."""
        rounds = Rounds(active=self._instance.active, stop=self._stop)
        async with asyncio.TaskGroup() as feeding:
            claiming = rounds.repeat(
                self._claiming.step, after_loss=self._scheduler.suspect_strays, backoff=self._backoff("claim")
            )
            feeding.create_task(self._fan_out(rounds), name="fan-out")
            feeding.create_task(claiming, name="claim")
            await self._stop.wait()
            self._begin_drain()
            self._rest.end()
            self._wake.set()

    async def _fan_out(self, rounds: Rounds) -> None:
        await rounds.repeat(
            self._fanning.step, after_loss=self._lost_in_fan_out, backoff=self._backoff("fan-out")
        )
        try:
            await self._fanning.written()
        except LOST:
            self._lost_in_fan_out()

    def _begin_drain(self) -> None:
        systemd.stopping()
        log.info("relay.draining", in_flight=self._slots.in_hand)
        limit = self._drain().total_seconds()
        asyncio.get_running_loop().call_later(limit, self._dispatcher.give_up)

    async def _finish(self, recording: asyncio.Task[None]) -> None:
        """Let the recorder write what is left; if the database stays away, the leases tell the next start."""
        self._recorder.finish()
        _, late = await asyncio.wait({recording}, timeout=LAST_WRITE)
        for task in late:
            task.cancel()

    async def _stop_when_idle(self) -> None:
        """Stop once nothing is to do, or another relay is at work."""
        await nothing_to_do(
            is_idle=lambda: (
                self._fanning.is_idle
                and self._claiming.is_idle
                and self._caretakers.housekeeping.surveyed.is_set()
                and self._slots.in_hand == 0
            ),
            is_over=self._instance.standby.is_set,
        )
        self._stop.set()

    async def _seal_plain(self) -> None:
        await self._keyring.seal_plain(active=self._instance.active, backoff=self._backoff("sealing"))

    async def _say_ready(self) -> None:
        """Tell the service manager, once the first poll is done or another relay is found at work."""
        await either(self._fanning.first_look, self._instance.standby)
        log.info(
            "relay.started", version=__version__, instance_id=self._instance.id, endpoints=len(self._registry)
        )
        calm_the_collector()
        systemd.ready()

    def _lost_in_fan_out(self) -> None:
        self._fanout.start_over()
        self._rest.forget()
        self._scheduler.suspect_strays()
        self._wake.set()
