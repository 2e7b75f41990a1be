"""How long it takes from an application's COMMIT to the first byte of the request at the receiver."""

import asyncio
import math
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg

from relay.bench.load import Connection, event_types
from relay.bench.receipts import Receipt
from relay.bench.scene import Scene
from relay.bench.stage import OBSERVER

CONNECTIONS = 8
INSERT = "insert into relay.outbox (id, event_type, payload) values ($1, $2, $3::text::json)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Milliseconds that something took, each time, in order of size."""

    sorted_ms: tuple[float, ...]

    def percentile(self, share: float) -> float:
        """Return the value that this share of them does not exceed (nearest rank); NaN if there are none."""
        return percentile(self.sorted_ms, share)

    @property
    def p50(self) -> float:
        """The median."""
        return self.percentile(0.5)

    @property
    def p99(self) -> float:
        """What one in a hundred exceeds."""
        return self.percentile(0.99)

    @property
    def most(self) -> float:
        """The longest."""
        return self.percentile(1.0)


def percentile(in_order: Sequence[float], share: float) -> float:
    """Return the value that this share of them does not exceed (nearest rank); NaN if there are none."""
    if not in_order:
        return math.nan
    return in_order[max(math.ceil(share * len(in_order)) - 1, 0)]


@dataclass(slots=True)
class Commits:
    """Events that were committed.

    Attributes:
        at: When, just before the COMMIT was sent, by CLOCK_MONOTONIC in nanoseconds.
        took: Milliseconds until each COMMIT was answered, whatever became of the event meanwhile.
    """

    at: dict[UUID, int] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)

    def since(self, moment_ns: int) -> "Commits":
        """Return those that were committed from then on."""
        return Commits(at={event_id: at for event_id, at in self.at.items() if at >= moment_ns})

    def latencies(self, receipts: Iterable[Receipt]) -> Latencies:
        """Return how long each delivery of these events took, from the COMMIT to its first request's first byte."""
        first: dict[tuple[UUID, int], int] = {}
        for each in receipts:
            if each.event_id in self.at:
                first.setdefault((each.event_id, each.endpoint), each.first_ns)
        taken = ((came - self.at[event_id]) / 1e6 for (event_id, _), came in first.items())
        return Latencies(sorted_ms=tuple(sorted(taken)))


async def commit_at_random(
    scene: Scene, *, count: int, rate: float, types: Sequence[str] = (), seed: int = 1
) -> Commits:
    """Commit single events at random gaps; late ones do not move the others.

    Args:
        scene: Where.
        count: How many.
        rate: So many a second on average.
        types: Their types, in turn; all of the scene's if there are none.
        seed: For the gaps.

    Returns:
        What was committed, once the last one is.
    """
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    connections = [await asyncpg.connect(scene.dsn, user=OBSERVER) for _ in range(CONNECTIONS)]
    try:
        single = _Single(types=types or event_types(scene.shape), payload=scene.shape.payload)
        return await _commit_all(connections, single, _moments(dice, count, rate))
    finally:
        for connection in connections:
            await connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Single:
    types: Sequence[str]
    payload: int


async def _commit_all(
    connections: Sequence[Connection], single: _Single, moments: Sequence[float]
) -> Commits:
    commits = Commits()
    due: asyncio.Queue[tuple[int, float] | None] = asyncio.Queue()
    for numbered in (*enumerate(moments), *[None] * len(connections)):
        due.put_nowait(numbered)
    start = time.monotonic()

    async def work(connection: Connection) -> None:
        prepared = await connection.prepare(INSERT)
        while (turn := await due.get()) is not None:
            number, moment = turn
            await asyncio.sleep(max(start + moment - time.monotonic(), 0))
            event_id, payload = uuid4(), _payload(number, single.payload)
            transaction = connection.transaction()
            await transaction.start()
            await prepared.fetch(event_id, single.types[number % len(single.types)], payload)
            commits.at[event_id] = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            await transaction.commit()
            commits.took.append((time.clock_gettime_ns(time.CLOCK_MONOTONIC) - commits.at[event_id]) / 1e6)

    async with asyncio.TaskGroup() as working:
        for connection in connections:
            working.create_task(work(connection))
    return commits


def _moments(dice: random.Random, count: int, rate: float) -> list[float]:
    """Return the moments of a Poisson process, in seconds from its start."""
    moments, at = [], 0.0
    for _ in range(count):
        at += dice.expovariate(rate)
        moments.append(at)
    return moments


def _payload(number: int, size: int) -> str:
    head = f'{{"id": {number}, "text": "'
    return head + "x" * (size - len(head) - 2) + '"}'
