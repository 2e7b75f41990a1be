"""The fan-out looks for the next page while one is written, and a page that cannot be written is not passed over.

And the loop of the claims, which may have nothing to do for long.
"""

import asyncio
from typing import Any, cast

import pytest

from relay.pipeline.fanout import FanOut, Page, Sight
from relay.pipeline.listener import Rest
from relay.pipeline.recorder import Recorder
from relay.pipeline.rounds import ClaimRound, FanOutRound, Rounds
from relay.pipeline.scheduler import Scheduler
from relay.pipeline.slots import Slots
from relay.store.session import DatabaseAway
from relay.store.watch import Backoff, DatabaseWatch
from tests.support.waiting import eventually

SIGHT = Sight("10:10:")


class Pages:
    """Stands in for the fan-out: pages to be found, and writes that end when the test says so."""

    snapshot = "10:10:"
    only_spilled = False
    reads_all = False
    look_at_all_in: float | None = None

    def __init__(self, *pages: Page) -> None:
        self.pages = list(pages)
        self.looks = 0
        self.writes: list[asyncio.Future[None]] = []

    async def look(self) -> Page:
        self.looks += 1
        return self.pages.pop(0) if self.pages else Page([], has_more=False, sight=SIGHT)

    async def write(self, page: Page) -> None:
        assert page.rows
        self.writes.append(asyncio.get_running_loop().create_future())
        await self.writes[-1]


class Restless:
    """Stands in for the rest, and never waits."""

    def __init__(self) -> None:
        self.looks_begun = 0
        self.woken = asyncio.Event()

    async def after_look(self, found: int, snapshot: str, *, has_more: bool) -> None:
        pass

    def begin_look(self) -> None:
        self.looks_begun += 1

    def wake(self) -> None:
        self.woken.set()


class Room:
    """Stands in for slots of which there are enough."""

    free_to_lease = 1
    lump = 1
    new_waits = False

    async def wait_for_some(self, _count: int, _limit: float) -> None:
        pass


def make_all(*pages: Page) -> tuple[FanOutRound, Pages, Restless]:
    fanout, rest = Pages(*pages), Restless()
    made = FanOutRound(fanout=cast("FanOut", fanout), rest=cast("Rest", rest), slots=cast("Slots", Room()))
    return made, fanout, rest


def make(*pages: Page) -> tuple[FanOutRound, Pages]:
    made, fanout, _ = make_all(*pages)
    return made, fanout


ONE = Page(cast("Any", ["event"]), has_more=False, sight=SIGHT)
CUT = Page(cast("Any", ["event"]), has_more=True, sight=SIGHT)


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


async def test_a_wake_up_is_not_taken_for_seen_by_a_look_that_goes_on_in_an_old_snapshot() -> None:
    fanning, fanout, rest = make_all(CUT, ONE, ONE)

    await fanning.step()
    fanout.writes[0].set_result(None)
    await fanning.step()
    assert rest.looks_begun == 1
    fanout.writes[1].set_result(None)
    await fanning.step()
    assert rest.looks_begun == 2


async def test_before_everything_is_read_again_what_was_found_is_written() -> None:
    fanning, fanout = make(ONE, ONE)
    await fanning.step()
    fanout.reads_all = True

    again = asyncio.create_task(fanning.step())
    await asyncio.sleep(0.01)
    assert fanout.looks == 1
    fanout.writes[0].set_result(None)
    await again
    assert fanout.looks == 2


@pytest.mark.parametrize(("locked", "error"), [(None, DatabaseAway()), (0.01, None)])
async def test_a_write_that_fails_or_found_rows_locked_ends_the_rest(
    locked: float | None, error: Exception | None
) -> None:
    fanning, fanout, rest = make_all(ONE)
    fanout.look_at_all_in = locked
    await fanning.step()
    assert not rest.woken.is_set()

    if error is None:
        fanout.writes[0].set_result(None)
    else:
        fanout.writes[0].set_exception(error)

    await asyncio.wait_for(rest.woken.wait(), 1)
    if error is not None:
        with pytest.raises(type(error)):
            await fanning.written()


class Idle:
    """Stands in for the scheduler and the recorder: the first claim fails, and then nothing is due."""

    def __init__(self) -> None:
        self.caught_up = asyncio.Event()
        self.caught_up.set()
        self.steps = 0

    async def step(self) -> bool:
        self.steps += 1
        if self.steps == 1:
            raise DatabaseAway("gone for a moment")
        return False


async def test_whoever_has_nothing_to_claim_has_the_database_all_the_same() -> None:
    idle, watch = Idle(), DatabaseWatch()
    active, stop, wake, is_lost = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    active.set()
    claiming = ClaimRound(
        scheduler=cast("Scheduler", idle),
        recorder=cast("Recorder", idle),
        wake=wake,
        stop=stop,
        delay=lambda: None,
    )
    repeating = asyncio.create_task(
        Rounds(active=active, stop=stop).repeat(
            claiming.step, after_loss=is_lost.set, backoff=Backoff(watch, "claim")
        )
    )

    async def is_found() -> bool:
        return is_lost.is_set() and watch.is_up

    await eventually(is_found, "the database is known to be back")
    stop.set()
    wake.set()
    await asyncio.wait_for(repeating, 10)
    assert idle.steps == 2
