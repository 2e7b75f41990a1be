"""When a relay asks for operations: with a sign of life that found one, and never by itself."""

import asyncio
from contextlib import suppress
from typing import cast

from relay.lookback.runner import OperationRunner
from relay.store.session import Session
from relay.store.watch import Backoff, DatabaseWatch

LONGER_THAN_A_LOOK = 1.5


class Asked:
    """A session whose database has no operation, and which keeps what it was asked."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def fetch(self, name: str, *_: object) -> list[object]:
        self.names.append(name)
        return []


def runner_of(session: Asked, *, active: asyncio.Event, wanted: asyncio.Event) -> OperationRunner:
    return OperationRunner(
        session=cast("Session", session),
        note_due=lambda _endpoint_id, _delay: None,
        active=active,
        wanted=wanted,
        backoff=Backoff(DatabaseWatch(), "operations"),
    )


async def end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_nothing_is_asked_for_while_no_sign_of_life_found_an_operation() -> None:
    session, active, wanted = Asked(), asyncio.Event(), asyncio.Event()
    active.set()
    wanted.set()
    running = asyncio.create_task(runner_of(session, active=active, wanted=wanted).run())

    await asyncio.sleep(LONGER_THAN_A_LOOK)
    at_first = list(session.names)
    wanted.set()
    await asyncio.sleep(LONGER_THAN_A_LOOK)
    await end(running)

    assert at_first == ["operation_prune", "operation_next"]
    assert session.names[2:] == ["operation_next"]


async def test_a_relay_that_another_took_over_from_meanwhile_asks_for_nothing() -> None:
    session, active, wanted = Asked(), asyncio.Event(), asyncio.Event()
    active.set()
    running = asyncio.create_task(runner_of(session, active=active, wanted=wanted).run())

    await asyncio.sleep(0)  # it waits for an operation
    active.clear()
    wanted.set()
    await asyncio.sleep(0.1)
    while_standing_by = list(session.names)
    active.set()
    await asyncio.sleep(0.1)
    await end(running)

    assert while_standing_by == []
    assert session.names == ["operation_prune", "operation_next"]
