"""Where the look at leases goes on, and when it suspects strays."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from relay.pipeline.desk import Desk
from relay.pipeline.leases import SLOWEST_COMMIT, Leases
from relay.pipeline.scheduler import Scheduler
from relay.store.session import Session

NOW = 1_760_000_000.0
KEY = (1, UUID(int=1))


class Answers:
    """Stands in for the session: the same answer each time; keeps from when on it was asked."""

    def __init__(self, **row: Any) -> None:
        self.row = {"looked_at": NOW, "ended": 0, "locked": 0, "event_seq": None, "endpoint_id": None, **row}
        self.asked_after: list[float] = []

    async def fetch(self, _name: str, _instance: int, after: float) -> list[dict[str, Any]]:
        self.asked_after.append(after)
        return [self.row]


async def look_twice(answers: Answers, *, in_hand: tuple[tuple[int, UUID], ...] = ()) -> bool:
    """Look twice, and return whether strays are suspected."""
    suspected: list[bool] = []
    scheduler = SimpleNamespace(suspect_strays=lambda: suspected.append(True))
    desk = SimpleNamespace(instance=7, slots=SimpleNamespace(keys=lambda: list(in_hand)))
    leases = Leases(scheduler=cast("Scheduler", scheduler), desk=cast("Desk", desk))
    for _ in range(2):
        await leases.end_lapsed(cast("Session", answers))
    return bool(suspected)


async def test_the_next_look_goes_on_a_little_before_the_last_one() -> None:
    answers = Answers()

    assert not await look_twice(answers)
    assert answers.asked_after == [0.0, NOW - SLOWEST_COMMIT]


@pytest.mark.parametrize("row", [{"locked": 1}, {"event_seq": KEY[0], "endpoint_id": KEY[1]}])
async def test_what_is_left_as_it_is_is_looked_at_again(row: dict[str, Any]) -> None:
    answers = Answers(**row)

    await look_twice(answers, in_hand=(KEY,))
    assert answers.asked_after == [0.0, 0.0]


@pytest.mark.parametrize(("in_hand", "is_stray"), [((KEY,), False), ((), True)])
async def test_one_of_ours_that_is_not_in_hand_is_a_stray(
    in_hand: tuple[tuple[int, UUID], ...], is_stray: bool
) -> None:
    answers = Answers(event_seq=KEY[0], endpoint_id=KEY[1])

    assert await look_twice(answers, in_hand=in_hand) == is_stray
