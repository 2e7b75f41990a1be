"""Deadlines: each task ends at its own, nobody else's, and nothing is left behind."""

import asyncio
import time

import pytest

from relay.http.deadlines import TICK, Deadlines

LATE = 0.3
"""Seconds by which a busy machine may be late."""


async def limited(deadlines: Deadlines, limit: float, work: float) -> tuple[bool, float]:
    """Work for so many seconds under a deadline; returns whether it was cut off, and after how long."""
    task: asyncio.Task[object] | None = asyncio.current_task()
    assert task is not None
    began = time.monotonic()
    deadlines.begin(task, limit)
    try:
        await asyncio.sleep(work)
    except asyncio.CancelledError:
        assert deadlines.end(task, limit)
        task.uncancel()
        return True, time.monotonic() - began
    assert not deadlines.end(task, limit)
    return False, time.monotonic() - began


async def test_each_task_is_cut_off_at_its_own_deadline_and_finished_ones_never() -> None:
    deadlines = Deadlines()
    wanted = [(0.1, 5.0), (0.3, 5.0), (0.3, 0.0), (0.2, 0.01), (5.0, 0.4)] * 20

    ends = await asyncio.gather(*(limited(deadlines, timeout, work) for timeout, work in wanted))

    for (timeout, work), (is_cut, after) in zip(wanted, ends, strict=True):
        assert is_cut == (work > timeout)
        if is_cut:
            assert timeout - 0.01 <= after <= timeout + TICK + LATE


async def test_a_task_that_is_cancelled_from_outside_is_not_taken_for_late() -> None:
    deadlines = Deadlines()
    task = asyncio.create_task(limited(deadlines, 10.0, 10.0))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(AssertionError):  # `end` says that it was not the deadline
        await task
    deadlines.stop()


async def test_nothing_is_kept_of_what_has_ended() -> None:
    deadlines = Deadlines()
    await asyncio.gather(*(limited(deadlines, 0.05 + number / 1000, 0.01) for number in range(50)))
    await limited(deadlines, 0.05, 1.0)
    await asyncio.sleep(2 * TICK)

    assert deadlines.is_empty
    deadlines.stop()
