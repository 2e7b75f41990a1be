"""When a relay asks for operations, and what it does when an answer is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from uuid import UUID

import pytest

from relay.lookback import runner as runner_module
from relay.lookback.runner import OperationRunner
from relay.store.session import DatabaseAway, Run, Session
from relay.store.watch import Backoff, DatabaseWatch
from tests.support.waiting import eventually

LONGER_THAN_A_LOOK = 1.5


class Asked:
    """A session whose database has no operation, and which keeps what it was asked."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def fetch(self, name: str, *_: object) -> list[object]:
        self.names.append(name)
        return []


def runner_of(session: Asked, *, active: asyncio.Event, wanted: asyncio.Event) -> OperationRunner:
    return OperationRunner(
        session=cast("Session", session),
        note_due=lambda _endpoint_id, _delay: None,
        active=active,
        wanted=wanted,
        backoff=Backoff(DatabaseWatch(), "operations"),
    )


async def end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_nothing_is_asked_for_while_no_sign_of_life_found_an_operation() -> None:
    session, active, wanted = Asked(), asyncio.Event(), asyncio.Event()
    active.set()
    wanted.set()
    running = asyncio.create_task(runner_of(session, active=active, wanted=wanted).run())

    await asyncio.sleep(LONGER_THAN_A_LOOK)
    at_first = list(session.names)
    wanted.set()
    await asyncio.sleep(LONGER_THAN_A_LOOK)
    await end(running)

    assert at_first == ["operation_prune", "operation_next"]
    assert session.names[2:] == ["operation_next"]


async def test_a_relay_that_another_took_over_from_meanwhile_asks_for_nothing() -> None:
    session, active, wanted = Asked(), asyncio.Event(), asyncio.Event()
    active.set()
    running = asyncio.create_task(runner_of(session, active=active, wanted=wanted).run())

    await asyncio.sleep(0)  # it waits for an operation
    active.clear()
    wanted.set()
    await asyncio.sleep(0.1)
    while_standing_by = list(session.names)
    active.set()
    await asyncio.sleep(0.1)
    await end(running)

    assert while_standing_by == []
    assert session.names == ["operation_prune", "operation_next"]


class LosesTheAnswer(Asked):
    """A session with one operation, whose first COMMIT takes effect but is not answered."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0

    async def fetch(self, name: str, *arguments: object) -> list[Any]:
        await super().fetch(name, *arguments)
        is_running = name == "operation_next" and self.commits < 2
        return [{"id": 1, "kind": "retry", "rate": None}] if is_running else []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Run]:
        async def run(name: str, *_: object) -> list[Any]:
            if self.commits:
                return []
            match name:
                case "operation_take":
                    return [
                        {"event_seq": 1, "endpoint_id": ENDPOINT, "redeliver": False, "make_missing": False}
                    ]
                case "delivery_retry":
                    return [{"event_seq": 1, "endpoint_id": ENDPOINT, "result": "scheduled"}]
            return []

        yield run
        self.commits += 1
        if self.commits == 1:
            raise DatabaseAway("committed, but the answer was lost")


ENDPOINT = UUID(int=1)


class LosesTheDatabase(Asked):
    """A session that fails once, with whatever it is asked first."""

    async def fetch(self, name: str, *arguments: object) -> list[Any]:
        await super().fetch(name, *arguments)
        if len(self.names) == 1:
            raise DatabaseAway("gone for a moment")
        return []


async def test_after_a_loss_it_asks_until_it_has_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "PRUNE_EVERY", 0.05)  # so that it asks without an operation
    session, active, wanted, watch = LosesTheDatabase(), asyncio.Event(), asyncio.Event(), DatabaseWatch()
    active.set()
    running = asyncio.create_task(
        OperationRunner(
            session=cast("Session", session),
            note_due=lambda *_: None,
            active=active,
            wanted=wanted,
            backoff=Backoff(watch, "operations"),
        ).run()
    )

    async def was_asked_again() -> bool:
        return len(session.names) >= 2 and watch.is_up

    async def has_failed() -> bool:
        return not watch.is_up

    await eventually(has_failed, "the first statement fails")
    monkeypatch.setattr(runner_module, "PRUNE_EVERY", 600.0)
    await eventually(was_asked_again, "it asks again")
    await end(running)


async def test_what_a_batch_scheduled_is_noted_though_its_commit_was_not_answered() -> None:
    session, active, wanted = LosesTheAnswer(), asyncio.Event(), asyncio.Event()
    noted: list[UUID] = []
    active.set()
    wanted.set()
    runner = OperationRunner(
        session=cast("Session", session),
        note_due=lambda endpoint_id, _delay: noted.append(endpoint_id),
        active=active,
        wanted=wanted,
        backoff=Backoff(DatabaseWatch(), "operations"),
    )

    async def is_worked_off() -> bool:
        return not wanted.is_set()

    running = asyncio.create_task(runner.run())
    await eventually(is_worked_off, "no operation is left")
    await end(running)

    assert session.commits == 2
    assert noted == [ENDPOINT]
