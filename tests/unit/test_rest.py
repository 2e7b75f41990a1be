"""Going to sleep has an order: raise the flag, look again, look until it has settled, and only then wait."""

import asyncio
import time
from collections.abc import Awaitable
from typing import cast

import pytest

from relay.pipeline import listener as module
from relay.pipeline.listener import BUSY_LOOKS, Listener, Rest
from relay.store.session import Session

QUIET = "10:10:"
BUSY = "10:12:10"
"""A snapshot with transaction 10 in progress."""


class Statements:
    """Stands in for the session and keeps what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    async def fetch(self, name: str, *arguments: object) -> list[object]:
        self.asked.append((name, *arguments))
        return []


def make(*, listen: bool = True, poll_interval: float = 30.0) -> tuple[Rest, Listener, Statements]:
    statements, listener = Statements(), Listener()
    rest = Rest(
        session=cast("Session", statements), listener=listener, poll_interval=poll_interval, listen=listen
    )
    return rest, listener, statements


async def takes(work: Awaitable[None]) -> float:
    started = time.monotonic()
    await work
    return time.monotonic() - started


async def is_waiting(work: "asyncio.Task[None]") -> bool:
    done, _ = await asyncio.wait({work}, timeout=0.1)
    return not done


async def test_after_the_flag_went_up_it_looks_again_before_it_waits() -> None:
    rest, _, statements = make()

    assert await takes(rest.found_nothing(QUIET)) < 1
    assert statements.asked == [("arm", module.ARMED_FOR)]


async def test_then_it_waits_until_it_is_woken() -> None:
    rest, listener, _ = make()
    await rest.found_nothing(QUIET)

    waiting = asyncio.create_task(rest.found_nothing(QUIET))
    assert await is_waiting(waiting)
    listener.woken.set()
    await asyncio.wait_for(waiting, 1)


async def test_it_keeps_looking_while_a_transaction_is_open_that_may_have_missed_the_flag() -> None:
    rest, _, _ = make()
    await rest.found_nothing(BUSY)

    for _ in range(5):
        assert await takes(rest.found_nothing(BUSY)) < 1
    waiting = asyncio.create_task(rest.found_nothing("12:14:12"))
    assert await is_waiting(waiting)
    waiting.cancel()


async def test_a_transaction_that_never_ends_does_not_keep_it_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SETTLING", 0.05)
    rest, _, _ = make()
    await rest.found_nothing(BUSY)

    async with asyncio.timeout(5):
        while not await is_waiting(waiting := asyncio.create_task(rest.found_nothing(BUSY))):
            pass
    waiting.cancel()


async def test_without_a_wake_up_the_poll_ends_the_wait() -> None:
    rest, _, _ = make(poll_interval=0.02)
    await rest.found_nothing(QUIET)

    assert 0.02 <= await takes(rest.found_nothing(QUIET)) < 1


async def test_without_listening_the_flag_is_never_raised() -> None:
    rest, _, statements = make(listen=False, poll_interval=0.01)
    for _ in range(3):
        await rest.found_nothing(QUIET)

    assert statements.asked == []


async def test_while_it_is_busy_it_asks_for_no_notifications() -> None:
    rest, _, statements = make()
    await rest.found_nothing(QUIET)
    for _ in range(BUSY_LOOKS + 5):
        await rest.found_work()

    assert statements.asked == [("arm", module.ARMED_FOR), ("arm", 0.0)]
    await rest.found_nothing(QUIET)
    assert statements.asked[-1] == ("arm", module.ARMED_FOR)


async def test_the_flag_is_renewed_before_it_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEWED_AFTER", 0.0)
    rest, _, statements = make(poll_interval=0.01)
    for _ in range(3):
        await rest.found_nothing(QUIET)

    assert statements.asked == [("arm", module.ARMED_FOR)] * 3


async def test_after_a_lost_session_the_flag_counts_as_down() -> None:
    rest, _, statements = make()
    await rest.found_nothing(QUIET)
    rest.forget()

    assert await takes(rest.found_nothing(QUIET)) < 1
    assert len(statements.asked) == 2


async def test_a_flood_of_notifications_is_no_flood_of_looks() -> None:
    rest, listener, _ = make()
    await rest.found_nothing(QUIET)
    started = time.monotonic()
    for _ in range(20):
        listener.woken.set()
        await rest.found_nothing(QUIET)

    assert time.monotonic() - started >= 20 * module.SHORTEST_REST * 0.9
