import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
import structlog

from relay.observe.loop_lag import LoopLag


@contextlib.asynccontextmanager
async def watched(interval: float) -> AsyncIterator[LoopLag]:
    lag = LoopLag(interval)
    task = asyncio.create_task(lag.watch())
    await asyncio.sleep(0)
    yield lag
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def until_measured(lag: LoopLag, least: float) -> None:
    async with asyncio.timeout(5):
        while lag._last < least:  # noqa: ASYNC110 - the measurement tells nobody that it is done
            await asyncio.sleep(0.001)


async def test_before_the_first_measurement_there_is_no_lag() -> None:
    assert LoopLag().current() == 0.0


async def test_a_loop_that_turns_has_hardly_any_lag() -> None:
    async with watched(0.01) as lag:
        await asyncio.sleep(0.05)

        assert lag.current() < 0.5


async def test_a_lag_is_seen_while_it_lasts_and_after() -> None:
    async with watched(0.01) as lag:
        time.sleep(0.15)  # noqa: ASYNC251 - blocking the loop is what this is about
        assert lag.current() >= 0.13

        await until_measured(lag, 0.13)


async def test_a_lag_of_more_than_a_second_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.observe.loop_lag._STALLED", 0.4)
    with structlog.testing.capture_logs() as logged:
        async with watched(0.01) as lag:
            time.sleep(0.05)  # noqa: ASYNC251 - blocking the loop, though not for long enough
            await until_measured(lag, 0.03)
            assert not logged
            time.sleep(0.5)  # noqa: ASYNC251 - and now for long enough
            await until_measured(lag, 0.4)

    line = logged[0]
    assert (line["event"], line["log_level"]) == ("loop.stalled", "warning")
    assert line["lag_ms"] >= 400
