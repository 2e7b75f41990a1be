"""What every figure measures with: a stage, how often, how much, and how to compare."""

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from relay.bench.backlog import Rate, work_off
from relay.bench.proof import Proof, prove
from relay.bench.scene import Scene, Scenery, set_scene
from relay.bench.stage import Stage

T = TypeVar("T")


class Unsound(Exception):  # noqa: N818 - it says what the run was
    """Something was lost, came twice, or was signed wrongly: a rate of such deliveries means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a figure gets.

    Attributes:
        stage: The server and the sink.
        rounds: How often everything is measured.
        is_quick: Whether it is only tried out, with a tenth of the events.
    """

    stage: Stage
    rounds: int
    is_quick: bool

    def events(self, full: int) -> int:
        """Return how many events to take instead of `full`."""
        return max(full // 10, 1000) if self.is_quick else full

    @asynccontextmanager
    async def scene(self, scenery: Scenery) -> AsyncIterator[Scene]:
        """Set a scene, and let the machine come to rest before."""
        await settle()
        async with set_scene(self.stage, scenery) as scene:
            yield scene

    async def rate(self, scenery: Scenery, events: int) -> Rate:
        """Let a relay work off a backlog, and prove that it did.

        Raises:
            Unsound: What came is not what was to come.
        """
        async with self.scene(scenery) as scene:
            rate = await work_off(scene, events)
            sound(await prove(scene, rate.deliveries))
            say(
                f"  relay: {rate.per_second:.0f}/s, {rate.relay_us:.1f} us relay, {rate.postgres_us:.1f} us PostgreSQL,"
                f" {rate.sink_us:.1f} us sink, {rate.rss_mb:.0f} MB"
            )
            return rate

    async def interleaved(self, *measures: Callable[[], Awaitable[T]]) -> list[tuple[T, ...]]:
        """Measure each in turn, again and again; the order is turned round each time."""
        rounds: list[tuple[T, ...]] = []
        for number in range(self.rounds):
            say(f" round {number + 1} of {self.rounds}")
            order = list(enumerate(measures))
            found = {place: await measure() for place, measure in (order if number % 2 == 0 else order[::-1])}
            rounds.append(tuple(found[place] for place, _ in order))
        return rounds


def sound(proof: Proof) -> None:
    """Refuse a run that is not what it should be."""
    if not proof.is_sound:
        raise Unsound(str(proof))


async def settle() -> None:
    """Give what ran before a moment to be gone: its processes end, its files are written."""
    await asyncio.sleep(1.0)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """Return the least and the most, as text."""
    return f"{min(values):.0f}-{max(values):.0f}"


def say(message: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
