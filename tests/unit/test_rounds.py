"""The fan-out looks for the next page while one is written, and a page that cannot be written is not passed over."""

import asyncio
from typing import Any, cast

import pytest

from relay.pipeline.fanout import FanOut, Page
from relay.pipeline.listener import Rest
from relay.pipeline.rounds import FanOutRound
from relay.pipeline.slots import Slots
from relay.store.session import DatabaseAway


class Pages:
    """Stands in for the fan-out: pages to be found, and writes that end when the test says so."""

    snapshot = "10:10:"
    only_spilled = False

    def __init__(self, *pages: Page) -> None:
        self.pages = list(pages)
        self.looks = 0
        self.writes: list[asyncio.Future[None]] = []

    async def look(self) -> Page:
        self.looks += 1
        return self.pages.pop(0) if self.pages else Page([], has_more=False)

    async def write(self, rows: list[Any]) -> None:
        assert rows
        self.writes.append(asyncio.get_running_loop().create_future())
        await self.writes[-1]


class Restless:
    """Stands in for the rest, and never waits."""

    async def after_look(self, found: int, snapshot: str, *, has_more: bool) -> None:
        pass

    def begin_look(self) -> None:
        pass

    def wake_on_failure(self, work: "asyncio.Future[None]") -> None:
        pass


class Room:
    """Stands in for slots of which some are free."""

    free_for_new = 1
    lump = 1

    async def wait_for_some(self, _count: int, _limit: float) -> None:
        raise AssertionError("there are some")


def make(*pages: Page) -> tuple[FanOutRound, Pages]:
    fanout = Pages(*pages)
    made = FanOutRound(
        fanout=cast("FanOut", fanout), rest=cast("Rest", Restless()), slots=cast("Slots", Room())
    )
    return made, fanout


ONE = Page(cast("Any", ["event"]), has_more=False)


async def test_the_next_page_is_looked_for_while_one_is_written() -> None:
    fanning, fanout = make(ONE, ONE)

    await fanning.step()
    second = asyncio.create_task(fanning.step())
    await asyncio.sleep(0.01)

    assert (fanout.looks, len(fanout.writes)) == (2, 1), "the second is found, and written after the first"
    fanout.writes[0].set_result(None)
    await second
    assert len(fanout.writes) == 2


async def test_what_was_found_is_written_before_a_look_that_found_nothing_ends() -> None:
    fanning, fanout = make(ONE)
    await fanning.step()

    empty = asyncio.create_task(fanning.step())
    await asyncio.sleep(0.01)
    assert not empty.done()
    fanout.writes[0].set_result(None)
    await empty


@pytest.mark.parametrize("pages", [(ONE,), (ONE, ONE)])
async def test_a_page_that_could_not_be_written_fails_the_next_step(pages: tuple[Page, ...]) -> None:
    fanning, fanout = make(*pages)
    await fanning.step()

    fanout.writes[0].set_exception(DatabaseAway())

    with pytest.raises(DatabaseAway):
        await fanning.step()
    await fanning.written()
    assert len(fanout.writes) == 1


async def test_what_is_being_written_outlives_a_step_that_is_cut_off() -> None:
    fanning, fanout = make(ONE)
    await fanning.step()
    step = asyncio.create_task(fanning.step())
    await asyncio.sleep(0.01)

    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    assert not fanout.writes[0].cancelled()
    fanout.writes[0].set_result(None)
    await fanning.written()
