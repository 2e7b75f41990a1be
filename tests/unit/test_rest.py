"""Going to sleep has an order: raise the flag, look again, look until it has settled, and only then wait."""

import asyncio
import time
from collections.abc import Awaitable
from typing import cast

import pytest

from relay.pipeline import listener as module
from relay.pipeline.haste import NOTIFIED, SEVERAL, WINDOW
from relay.pipeline.listener import Listener, Rest
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

    assert await takes(rest.after_look(0, QUIET, has_more=False)) < 1
    assert statements.asked == [("arm", module.ARMED_FOR)]


async def test_then_it_waits_until_it_is_woken() -> None:
    rest, listener, _ = make()
    await rest.after_look(0, QUIET, has_more=False)

    waiting = asyncio.create_task(rest.after_look(0, QUIET, has_more=False))
    assert await is_waiting(waiting)
    listener.woken.set()
    await asyncio.wait_for(waiting, 1)


async def test_it_keeps_looking_while_a_transaction_is_open_that_may_have_missed_the_flag() -> None:
    rest, _, _ = make()
    await rest.after_look(0, BUSY, has_more=False)

    for _ in range(5):
        assert await takes(rest.after_look(0, BUSY, has_more=False)) < 1
    waiting = asyncio.create_task(rest.after_look(0, "12:14:12", has_more=False))
    assert await is_waiting(waiting)
    waiting.cancel()


async def test_a_transaction_that_never_ends_does_not_keep_it_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SETTLING", 0.05)
    rest, _, _ = make()
    await rest.after_look(0, BUSY, has_more=False)

    async with asyncio.timeout(5):
        while not await is_waiting(waiting := asyncio.create_task(rest.after_look(0, BUSY, has_more=False))):
            pass
    waiting.cancel()


async def test_without_a_wake_up_the_poll_ends_the_wait() -> None:
    rest, _, _ = make(poll_interval=0.02)
    await rest.after_look(0, QUIET, has_more=False)

    assert 0.02 <= await takes(rest.after_look(0, QUIET, has_more=False)) < 1


async def test_without_listening_the_flag_is_never_raised() -> None:
    rest, _, statements = make(listen=False, poll_interval=0.01)
    for _ in range(3):
        await rest.after_look(0, QUIET, has_more=False)

    assert statements.asked == []


def many_notify(listener: Listener) -> None:
    for number in range(NOTIFIED):
        listener.haste.heard(number % SEVERAL)


async def test_in_haste_it_asks_for_no_notifications_and_goes_on_looking() -> None:
    rest, listener, statements = make()
    await rest.after_look(0, QUIET, has_more=False)
    many_notify(listener)
    await rest.after_look(NOTIFIED, QUIET, has_more=False)

    assert statements.asked == [("arm", module.ARMED_FOR), ("arm", 0.0)]
    started = time.monotonic()
    looks = 0
    while statements.asked[-1] == ("arm", 0.0):
        looks += 1
        assert await takes(rest.after_look(0, QUIET, has_more=False)) < 1
    assert time.monotonic() - started >= WINDOW
    assert looks <= 2 * WINDOW / module.HASTY_REST
    assert statements.asked[-1] == ("arm", module.ARMED_FOR)


async def test_in_haste_it_looks_again_at_once_after_a_look_that_found_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HASTY_REST", 30.0)
    rest, listener, statements = make()
    many_notify(listener)
    await rest.after_look(NOTIFIED, QUIET, has_more=False)

    for _ in range(5):
        assert await takes(rest.after_look(100, QUIET, has_more=False)) < 1
    assert statements.asked == [("arm", 0.0)]


async def test_the_flag_is_renewed_before_it_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEWED_AFTER", 0.0)
    rest, _, statements = make(poll_interval=0.01)
    for _ in range(3):
        await rest.after_look(0, QUIET, has_more=False)

    assert statements.asked == [("arm", module.ARMED_FOR)] * 3


async def test_after_a_lost_session_the_flag_counts_as_down() -> None:
    rest, _, statements = make()
    await rest.after_look(0, QUIET, has_more=False)
    rest.forget()

    assert await takes(rest.after_look(0, QUIET, has_more=False)) < 1
    assert len(statements.asked) == 2


async def test_a_flood_of_notifications_is_no_flood_of_looks() -> None:
    rest, listener, _ = make()
    await rest.after_look(0, QUIET, has_more=False)
    started = time.monotonic()
    for _ in range(20):
        rest.begin_look()
        listener.woken.set()
        await rest.after_look(0, QUIET, has_more=False)

    assert time.monotonic() - started >= (20 - module.EMPTY_LOOKS) * module.SHORTEST_REST


async def test_asleep_it_waits_after_a_look_that_found_something_too() -> None:
    rest, _, _ = make()
    await rest.after_look(0, QUIET, has_more=False)

    waiting = asyncio.create_task(rest.after_look(1, QUIET, has_more=False))
    assert await is_waiting(waiting)
    waiting.cancel()


async def test_with_the_flag_down_it_looks_until_nothing_is_left() -> None:
    rest, _, statements = make()

    assert await takes(rest.after_look(1, QUIET, has_more=False)) < 1
    assert statements.asked == []


@pytest.mark.parametrize("found", [0, 1])
async def test_if_there_is_more_it_looks_again_at_once(found: int) -> None:
    rest, _, _ = make()
    await rest.after_look(0, QUIET, has_more=False)

    assert await takes(rest.after_look(found, QUIET, has_more=True)) < 1


async def test_a_wake_up_counts_that_came_while_it_looked_but_not_one_before() -> None:
    rest, listener, _ = make()
    await rest.after_look(0, QUIET, has_more=False)
    listener.woken.set()
    rest.begin_look()
    waiting = asyncio.create_task(rest.after_look(0, QUIET, has_more=False))
    assert await is_waiting(waiting)
    waiting.cancel()

    rest.begin_look()
    listener.woken.set()
    assert await takes(rest.after_look(1, QUIET, has_more=False)) < 1


async def test_whoever_has_something_to_look_at_ends_the_wait() -> None:
    rest, _, _ = make()
    await rest.after_look(0, QUIET, has_more=False)
    waiting = asyncio.create_task(rest.after_look(0, QUIET, has_more=False))
    assert await is_waiting(waiting)

    rest.wake()

    await asyncio.wait_for(waiting, 1)


async def test_at_the_end_it_waits_no_more() -> None:
    rest, _, _ = make()
    await rest.after_look(0, QUIET, has_more=False)
    rest.end()
    rest.begin_look()

    assert await takes(rest.after_look(0, QUIET, has_more=False)) < 1
