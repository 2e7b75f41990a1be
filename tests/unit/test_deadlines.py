import asyncio
import random

import pytest

from relay.http.deadlines import TICK, Deadlines

SLACK = 0.3
"""Seconds a busy machine may be late."""


async def held(deadlines: Deadlines, timeout: float) -> tuple[bool, float]:  # noqa: ASYNC109 - its subject
    """Wait for the deadline; return whether it came, and after how long."""
    task = own_task()
    loop = asyncio.get_running_loop()
    began = loop.time()
    deadlines.begin(task, timeout)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        is_over = deadlines.end(task, timeout)
        if task.uncancel() > 0 or not is_over:
            raise
        return is_over, loop.time() - began
    raise AssertionError("nobody sets the event")


def own_task() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    assert task is not None
    return task


def assert_empty(deadlines: Deadlines) -> None:
    assert not any(deadlines._by_timeout.values())
    assert not deadlines._expired


async def test_every_task_ends_at_its_own_time() -> None:
    deadlines = Deadlines()
    timeouts = [random.Random(7).choice((0.05, 0.1, 0.2, 0.35)) for _ in range(500)]  # noqa: S311 - no secret

    ended = await asyncio.gather(*(held(deadlines, timeout) for timeout in timeouts))

    for timeout, (is_over, seconds) in zip(timeouts, ended, strict=True):
        assert is_over
        assert timeout <= seconds < timeout + TICK + SLACK
    assert_empty(deadlines)


async def test_a_later_task_with_the_same_time_out_has_all_of_it() -> None:
    deadlines = Deadlines()
    first = asyncio.create_task(held(deadlines, 0.2))
    await asyncio.sleep(0.1)
    later = asyncio.create_task(held(deadlines, 0.2))

    for task in (first, later):
        assert 0.2 <= (await task)[1] < 0.2 + TICK + SLACK


async def test_a_finished_task_is_never_cancelled() -> None:
    deadlines = Deadlines()

    async def finish_in_time() -> int:
        task = own_task()
        deadlines.begin(task, 0.1)
        await asyncio.sleep(0.01)
        assert not deadlines.end(task, 0.1)
        await asyncio.sleep(0.1 + 3 * TICK)
        return task.cancelling()

    assert await asyncio.gather(*(finish_in_time() for _ in range(50))) == [0] * 50
    assert_empty(deadlines)


async def test_nothing_ticks_once_nobody_waits() -> None:
    deadlines = Deadlines()
    await held(deadlines, 0.01)
    async with asyncio.timeout(5):
        while deadlines._tick is not None:  # noqa: ASYNC110 - the last look tells nobody
            await asyncio.sleep(0.01)

    assert not deadlines._by_timeout
    assert (await held(deadlines, 0.01))[0], "it does not begin to tick again"


@pytest.mark.parametrize("is_outside_first", [False, True])
async def test_an_outside_cancellation_at_the_same_time_is_not_swallowed(is_outside_first: bool) -> None:
    deadlines = Deadlines()
    task = asyncio.create_task(held(deadlines, 0.0))
    await asyncio.sleep(0)

    if is_outside_first:
        task.cancel()
    deadlines._look()
    if not is_outside_first:
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert_empty(deadlines)


async def test_an_outside_cancellation_alone_is_no_time_out() -> None:
    deadlines = Deadlines()
    task = asyncio.create_task(held(deadlines, 10.0))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert_empty(deadlines)
    deadlines.stop()


async def test_after_stop_nobody_is_cancelled() -> None:
    deadlines = Deadlines()
    task = asyncio.create_task(held(deadlines, 0.01))
    await asyncio.sleep(0)
    deadlines.stop()
    await asyncio.sleep(3 * TICK)

    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
