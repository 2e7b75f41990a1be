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


async def test_nothing_is_asked_for_while_no_sign_of_life_found_an_operation() -> None:
    session, active, wanted = Asked(), asyncio.Event(), asyncio.Event()
    active.set()
    wanted.set()
    runner = OperationRunner(
        session=cast("Session", session),
        note_due=lambda _endpoint_id, _delay: None,
        active=active,
        wanted=wanted,
        backoff=Backoff(DatabaseWatch(), "operations"),
    )
    running = asyncio.create_task(runner.run())

    await asyncio.sleep(LONGER_THAN_A_LOOK)
    at_first = list(session.names)
    wanted.set()
    await asyncio.sleep(LONGER_THAN_A_LOOK)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running

    assert at_first == ["operation_prune", "operation_next"]
    assert session.names[2:] == ["operation_next"]
