"""What is written down of endpoints: by the relay that works, once it knows what was written before."""

import asyncio
from typing import Any, cast
from uuid import UUID

import pytest

from relay.config import Settings
from relay.endpoints.conditions import ConditionKeeper
from relay.endpoints.defaults import breaker_rules_of
from relay.endpoints.failing import News
from relay.endpoints.health import Standings
from relay.endpoints.notices import Notices
from relay.endpoints.streak import Step
from relay.store.session import DatabaseAway, Session
from relay.store.watch import Backoff, DatabaseWatch

ENDPOINT = UUID(int=1)


class Database:
    """Stands in for the session: it disables an endpoint once, and may lose the answer to that."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.loses_answer = False
        self.is_disabled = False

    async def fetch(self, name: str, *_: object) -> list[Any]:
        self.asked.append(name)
        if name != "disable_endpoint":
            return []
        was_disabled, self.is_disabled = self.is_disabled, True
        if self.loses_answer:
            raise DatabaseAway("done, but the answer was lost")
        return [] if was_disabled else [{"id": ENDPOINT}]


class Told:
    """Stands in for the notices."""

    def __init__(self) -> None:
        self.disabled_for: list[str] = []

    def disabled(self, _endpoint_id: UUID, reason: str) -> None:
        self.disabled_for.append(reason)


class Keeping:
    """A keeper with all that it works with; an endpoint has asked for nothing more."""

    def __init__(self) -> None:
        self.database, self.told, self.active = Database(), Told(), asyncio.Event()
        self.standings = Standings(rules=breaker_rules_of(Settings()), note_due=lambda *_: None)
        self.standings.restore({}, {}, {})
        self.standings.unwanted[ENDPOINT] = "gone"
        self.standings.changed.add(ENDPOINT)
        self.keeper = ConditionKeeper(
            standings=self.standings,
            session=cast("Session", self.database),
            notices=cast("Notices", self.told),
            active=self.active,
            backoff=Backoff(DatabaseWatch(), "conditions"),
        )


async def test_the_relay_that_works_writes_what_changed() -> None:
    keeping = Keeping()
    keeping.active.set()

    await keeping.keeper.finish()
    assert keeping.database.asked == ["disable_endpoint", "endpoint_conditions_write"]


@pytest.mark.parametrize("is_active", [True, False])
async def test_one_that_does_not_work_or_has_yet_to_read_what_is_written_disables_who_asked_for_it_and_no_more(
    is_active: bool,
) -> None:
    keeping = Keeping()
    if is_active:
        keeping.active.set()
        keeping.standings.distrust()

    running = asyncio.create_task(keeping.keeper.run())
    await asyncio.sleep(1.2)
    running.cancel()
    assert keeping.database.asked == ["disable_endpoint"]


async def test_at_a_stop_what_changed_is_written_though_the_lock_was_lost_and_taken_again_in_the_drain() -> (
    None
):
    keeping = Keeping()
    keeping.active.set()
    keeping.standings.distrust()

    await keeping.keeper.finish()
    assert keeping.database.asked == ["disable_endpoint", "endpoint_conditions_write"]


async def test_what_only_memory_says_of_one_that_fails_is_over_when_another_relay_has_worked() -> None:
    keeping = Keeping()
    keeping.standings.unwanted.clear()
    keeping.standings.failing.news.append(
        News(ENDPOINT, Step.DISABLED, failing_for=9e5, failures=100, disabled_in=None)
    )
    keeping.standings.distrust()
    keeping.standings.restore({}, {}, {})
    keeping.active.set()

    await keeping.keeper.finish()
    assert keeping.database.asked == ["endpoint_conditions_write"]


async def test_that_an_endpoint_was_disabled_is_told_once_though_the_answer_was_lost() -> None:
    keeping = Keeping()
    keeping.active.set()
    keeping.database.loses_answer = True
    await keeping.keeper.finish()
    keeping.database.loses_answer = False

    await keeping.keeper.finish()
    await keeping.keeper.finish()
    assert keeping.told.disabled_for == ["gone"]
