"""From the outbox to the effect in the receiver's database: once each, whoever dies and whatever comes twice."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.daemon import Sections
from tests.support.database import Connection, connected
from tests.support.examples import EXAMPLES, Example, running_example
from tests.support.meddler import Meddler
from tests.support.waiting import eventually
from tests.support.world import World

pytestmark = pytest.mark.fault

COPIED = 0.2
INVOICES = 50
SECTIONS: Sections = {
    "retry": {"schedule": ["500ms"] * 200},
    "breaker": {"enabled": False},
    "delivery": {"max_in_flight_per_endpoint": 100},
}
LIMIT = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is in the receiver's database at the end."""

    states: dict[str, int]
    bookings: list[tuple[str, str | None, int | None]]

    @classmethod
    async def read(cls, connection: Connection) -> "Found":
        rows = await connection.fetch("select state, count(*) from relay_inbox.event group by state")
        booked = await connection.fetch("select event_id, invoice, version from booking order by number")
        return cls(
            states={row["state"]: row["count"] for row in rows},
            bookings=[(row["event_id"], row["invoice"], row["version"]) for row in booked],
        )


class Trial:
    """A relay, a proxy that meddles, and an example receiver, two of which are killed."""

    def __init__(self, world: World, meddler: Meddler, example: Example) -> None:
        self.world = world
        self.meddler = meddler
        self.example = example
        self.plain: list[str] = []
        self.versioned: list[str] = []

    async def publish(self, events: int) -> None:
        """Commit so many events: half of them states of invoices, in versions, half of them each for itself."""
        for version in range(1, events // INVOICES // 2 + 1):
            states = [f'{{"invoice": {number}}}' for number in range(INVOICES)]
            insert = self.world.application.insert_all
            self.versioned += map(str, await insert(states, sequence=version))
            self.plain += map(str, await insert(['{"id": 1}'] * INVOICES))

    async def publish_stale(self) -> None:
        """Commit the first version of each invoice once more, when all later ones are handled."""
        states = [f'{{"invoice": {number}}}' for number in range(INVOICES)]
        self.versioned += map(str, await self.world.application.insert_all(states, sequence=1))

    async def kill_both(self, events: int) -> None:
        """Kill the receiver, the relay, and both at once, at a quarter, half, and three quarters of the way."""
        await self.meddler.wait_for_taken(events // 4, LIMIT)
        await self.example.kill()
        await self.example.start()
        await self.meddler.wait_for_taken(events // 2, LIMIT)
        await self.world.daemons[-1].kill()
        await self.world.start(SECTIONS)
        await self.meddler.wait_for_taken(3 * events // 4, LIMIT)
        await asyncio.gather(self.example.kill(), self.world.daemons[-1].kill())
        await asyncio.gather(self.example.start(), self.world.start(SECTIONS))

    async def finish(self, receiver: Connection) -> None:
        """Wait until everything is delivered and handled."""
        await self.world.application.wait_until(
            "select not exists (select from relay.fresh) and not exists (select from relay.delivery)",
            limit=LIMIT,
        )
        await self.meddler.wait_for_copies(LIMIT)
        await eventually(
            lambda: receiver.fetchval(
                "select not exists (select from relay_inbox.event where state = 'waiting')"
            ),
            "everything is handled",
            limit=LIMIT,
        )


FULL: Any = [pytest.mark.full, pytest.mark.timeout(900)]
CASES = [
    *(pytest.param(name, 600, id=f"{name}-quick") for name in ("aiohttp_receiver", "flask_receiver")),
    *(pytest.param(name, 10_000, id=f"{name}-full", marks=FULL) for name in EXAMPLES),
]


@pytest.mark.parametrize(("name", "events"), CASES)
async def test_every_effect_happens_once_and_nothing_stale_has_one(
    name: str, events: int, world: World, empty_database: str, figures: Callable[[str], None]
) -> None:
    began = time.monotonic()
    async with (
        running_example(name, empty_database) as example,
        Meddler(example.url, copied=COPIED) as meddler,
        connected(empty_database) as receiver,
    ):
        trial = Trial(world, meddler, example)
        await world.application.add_endpoint(meddler.url)
        await world.start(SECTIONS)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(trial.publish(events))
            tasks.create_task(trial.kill_both(events))
        await trial.finish(receiver)
        await trial.publish_stale()
        await trial.finish(receiver)
        found = await Found.read(receiver)

    figures(
        f"{events} events, {meddler.taken} requests taken and {meddler.copies} copies, 2 kills of each side,"
        f" in {time.monotonic() - began:.0f} s; {found.states}, {len(found.bookings)} bookings"
    )
    assert meddler.copies >= COPIED * events / 2
    assert found.states["stale"] >= INVOICES
    check(found, trial, newest=events // INVOICES // 2)


def check(found: Found, trial: Trial, *, newest: int) -> None:
    """Compare what was committed there with what was booked here."""
    booked = [event_id for event_id, _, _ in found.bookings]
    assert len(booked) == len(set(booked)), "an effect happened twice"
    committed = len(trial.plain) + len(trial.versioned)
    assert found.states == {"done": len(booked), "stale": committed - len(booked)}
    assert set(booked) >= set(trial.plain), "an effect is missing"
    assert set(booked) <= {*trial.plain, *trial.versioned}
    for invoice in range(INVOICES):
        versions = [version for _, key, version in found.bookings if key == str(invoice) and version]
        assert versions == sorted(set(versions)), "a stale version had an effect"
        assert versions[-1] == newest, "the newest version is missing"
