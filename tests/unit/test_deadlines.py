import asyncio
import random
import time
from collections.abc import Callable

from relay.http.deadlines import STALL, TICK, Deadlines

SLACK = 0.3
"""Seconds a busy machine may be late."""


class Waiting:
    """Something with a deadline, which says when it expired."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self._then = then
        self._loop = asyncio.get_running_loop()
        self._expired: asyncio.Future[float] = self._loop.create_future()
        self._began = self._loop.time()

    def expire(self) -> None:
        self._expired.set_result(self._loop.time() - self._began)
        self._then()

    @property
    def is_over(self) -> bool:
        return self._expired.done()

    async def seconds(self) -> float:
        async with asyncio.timeout(5):
            return await self._expired


def begin(deadlines: Deadlines, timeout: float) -> Waiting:
    waiting = Waiting()
    deadlines.begin(waiting, timeout)
    return waiting


async def test_each_expires_at_its_own_time() -> None:
    deadlines = Deadlines()
    timeouts = [random.Random(7).choice((0.05, 0.1, 0.2, 0.35)) for _ in range(500)]  # noqa: S311 - no secret
    everything = [begin(deadlines, timeout) for timeout in timeouts]

    for timeout, waiting in zip(timeouts, everything, strict=True):
        assert timeout <= await waiting.seconds() < timeout + TICK + SLACK


async def test_a_later_one_with_the_same_time_out_has_all_of_it() -> None:
    deadlines = Deadlines()
    first = begin(deadlines, 0.2)
    await asyncio.sleep(0.1)
    later = begin(deadlines, 0.2)

    for waiting in (first, later):
        assert 0.2 <= await waiting.seconds() < 0.2 + TICK + SLACK


async def test_what_came_to_its_end_never_expires() -> None:
    deadlines = Deadlines()
    ended = [begin(deadlines, 0.1) for _ in range(50)]
    for waiting in ended:
        deadlines.end(waiting, 0.1)
        deadlines.end(waiting, 0.1)
    await begin(deadlines, 0.2).seconds()

    assert not any(waiting.is_over for waiting in ended)


async def test_what_is_ended_by_the_expiry_of_another_does_not_expire_with_it() -> None:
    deadlines = Deadlines()
    second = Waiting()
    first = Waiting(then=lambda: deadlines.end(second, 0.05))
    deadlines.begin(first, 0.05)
    deadlines.begin(second, 0.05)
    await first.seconds()
    await begin(deadlines, 0.1).seconds()

    assert not second.is_over


async def test_a_defect_at_one_expiry_does_not_keep_the_others_from_theirs() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    deadlines = Deadlines()

    def fail() -> None:
        raise RuntimeError("a defect")

    for waiting in (Waiting(then=fail), Waiting(), Waiting()):
        deadlines.begin(waiting, 0.05)
        last = waiting
    await last.seconds()

    assert [str(each) for each in reported] == ["a defect"]


async def test_nothing_ticks_once_nobody_waits() -> None:
    deadlines = Deadlines()
    await begin(deadlines, 0.01).seconds()
    async with asyncio.timeout(5):
        while deadlines._tick is not None:  # noqa: ASYNC110 - the last look tells nobody
            await asyncio.sleep(0.01)

    assert not deadlines._by_timeout
    assert await begin(deadlines, 0.01).seconds(), "it does not begin to tick again"


async def test_after_stop_nothing_expires() -> None:
    deadlines = Deadlines()
    waiting = begin(deadlines, 0.01)
    deadlines.stop()
    await asyncio.sleep(3 * TICK)

    assert not waiting.is_over


async def test_time_in_which_the_loop_stood_still_counts_for_nobody() -> None:
    deadlines = Deadlines()
    before = time.monotonic()
    waiting = begin(deadlines, 1.0)
    await asyncio.sleep(0.1)

    time.sleep(1.2)  # noqa: ASYNC251 - the loop stands still
    await asyncio.sleep(0.2)

    assert not waiting.is_over
    assert deadlines.stalled_since(before)
    assert not deadlines.stalled_since(time.monotonic())
    assert 2.0 <= await waiting.seconds() < 2.2 + TICK + SLACK


async def test_a_loop_that_is_only_busy_has_not_stood_still() -> None:
    deadlines = Deadlines()
    before = time.monotonic()
    waiting = begin(deadlines, 0.6)

    for _ in range(4):
        time.sleep(STALL / 4)  # noqa: ASYNC251
        await asyncio.sleep(TICK / 10)

    assert await waiting.seconds() < 0.6 + TICK + SLACK
    assert not deadlines.stalled_since(before)
