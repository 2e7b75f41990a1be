"""A row that stands in the way delays itself and nothing else."""

import asyncio
import random
import time
from collections import defaultdict
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.support.application import Application, insert_events
from tests.support.checker import check_everything
from tests.support.receiver import Reply
from tests.support.world import PROOF, World

pytestmark = pytest.mark.fault

HELD_FOR = [pytest.param(2.0, id="quick"), pytest.param(10.0, id="full", marks=pytest.mark.full)]
"""Seconds."""
LEFT = "select count(*) from relay.delivery"


async def load(application: Application, seconds: float) -> list[UUID]:
    """Commit events, 200 a second."""
    ids: list[UUID] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        ids += await application.insert_all(['{"id": 2}'] * 20)
        await asyncio.sleep(0.1)
    return ids


@pytest.mark.parametrize("held_for", HELD_FOR)
async def test_a_delivery_that_an_application_holds_locked_is_recorded_when_it_is_let_go(
    world: World, held_for: float
) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    daemon = await world.start()
    await world.prove(daemon)
    receiver.hold()
    locked = await application.insert()
    await application.insert_all(['{"id": 1}'] * 60)
    await receiver.wait_for_open(61)

    async with Application(world.dsn) as other:
        connection = await other.connection()
        async with connection.transaction():
            await connection.execute(
                "select from relay.delivery d join relay.outbox o on o.seq = d.event_seq"
                " where o.id = $1 for update of d",
                locked,
            )
            receiver.release()
            await daemon.wait_for_log("delivery.delivered", count=PROOF + 60)
            others = await load(application, held_for)
            await daemon.wait_for_log("delivery.delivered", count=PROOF + 60 + len(others), limit=5)
            assert await application.fetchval(LEFT) == 1
            assert not daemon.logged("delivery.delivered", event_id=locked)
    await daemon.wait_for_log("delivery.delivered", event_id=locked)
    assert await application.fetchval(LEFT) == 0
    assert await daemon.terminate() == 0
    (await check_everything(application, receiver)).assert_right()


@pytest.mark.parametrize("held_for", HELD_FOR)
async def test_a_withdrawal_that_is_not_committed_holds_up_nobody(world: World, held_for: float) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url(), state="paused")
    daemon = await world.start()
    withdrawn, kept = await application.insert(), await application.insert()
    await application.wait_until("select count(*) = 2 from relay.delivery")

    async with Application(world.dsn) as other:
        connection = await other.connection()
        async with connection.transaction():
            await connection.execute("select relay.cancel($1)", withdrawn)
            open_one = await other.insert()
            await connection.execute("select relay.cancel($1)", open_one)
            others = await load(application, held_for)
            await application.wait_until(
                "select count(*) = $1::int from relay.delivery", len(others) + 2, limit=5
            )
    await application.change_endpoint(endpoint_id, state="active")
    for each in (kept, *others):
        await daemon.wait_for_log("delivery.delivered", event_id=each)
    for each in (withdrawn, open_one):
        await application.wait_for_state(each, "cancelled")
        assert not receiver.of(each)


async def test_an_endpoint_that_asks_for_no_more_while_another_is_being_changed_holds_up_nobody(
    world: World,
) -> None:
    receiver, application = world.receiver, world.application
    receiver.respond = lambda request: Reply(status=410 if request.path == "/gone" else 200)
    gone = await application.add_endpoint(receiver.url("/gone"), event_types=["gone"])
    await application.add_endpoint(receiver.url("/good"), event_types=["good"])
    daemon = await world.start()

    async with Application(world.dsn) as other:
        connection = await other.connection()
        async with connection.transaction():
            await connection.execute(
                "update relay.endpoint set description = 'x' where event_types = '{good}'"
            )
            last = await application.insert(event_type="gone")
            await daemon.wait_for_log("delivery.dead", event_id=last)
            for _ in range(5):
                event_id = await application.insert(event_type="good")
                await daemon.wait_for_log("delivery.delivered", event_id=event_id, limit=3)
    await daemon.wait_for_log("endpoint.disabled", endpoint_id=str(gone), limit=10)


async def test_nothing_that_is_withdrawn_is_sent_and_each_dedupe_key_has_one_event_whatever_rolls_back(
    world: World,
) -> None:
    """Transactions side by side publish under few keys, withdraw at once or later, and a third of them roll back."""
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    await world.start()
    withdrawn: dict[UUID, float] = {}
    published: dict[str, set[UUID]] = defaultdict(set)

    async def work(seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
        connection = await asyncpg.connect(world.dsn)
        try:
            for _ in range(60):
                key, kind = f"key {dice.randrange(40)}", dice.choice(["keep", "withdraw", "roll back"])
                transaction = connection.transaction()
                await transaction.start()
                event_id = await connection.fetchval(
                    "select relay.publish('a.b', '{}'::json, dedupe_key => $1)", key
                )
                if kind == "withdraw":
                    await connection.execute("select relay.cancel($1)", event_id)
                await asyncio.sleep(dice.random() * 0.01)
                if kind == "roll back":
                    await transaction.rollback()
                    continue
                await transaction.commit()
                published[key].add(event_id)
                if kind == "withdraw":
                    withdrawn.setdefault(event_id, time.monotonic())
        finally:
            await connection.close()

    async with asyncio.TaskGroup() as working:
        for seed in range(8):
            working.create_task(work(seed))
    await application.wait_until("select not exists (select from relay.fresh)")
    await application.wait_until("select not exists (select from relay.delivery where state <> 'cancelled')")

    assert all(len(ids) == 1 for ids in published.values())
    assert await application.fetchval("select count(*) from relay.outbox") == len(published)
    assert set(receiver.counts().values()) <= {1}
    for request in receiver.received:
        at = withdrawn.get(UUID(request.event_id))
        assert at is None or request.at < at + 0.5
    for (event_id,) in published.values():
        (status,) = await application.status(event_id)
        expected = {"cancelled", "delivered"} if event_id in withdrawn else {"delivered"}
        assert status["state"] in expected


async def test_a_delivery_that_is_locked_while_it_is_due_is_claimed_when_it_is_let_go(world: World) -> None:
    receiver, application = world.receiver, world.application
    endpoint_id = await application.add_endpoint(receiver.url(), state="paused")
    daemon = await world.start()
    locked = await application.insert()
    others = await application.insert_all(['{"id": 1}'] * 20)
    await application.wait_until("select count(*) = 21 from relay.delivery")

    async with Application(world.dsn) as other:
        connection = await other.connection()
        async with connection.transaction():
            await connection.execute(
                "select from relay.delivery d join relay.outbox o on o.seq = d.event_seq"
                " where o.id = $1 for update of d",
                locked,
            )
            await application.change_endpoint(endpoint_id, state="active")
            await daemon.wait_for_log("delivery.delivered", count=len(others))
            assert not receiver.of(locked)
    await receiver.wait_for_event(locked, limit=5)
    assert await daemon.terminate() == 0
    (await check_everything(application, receiver)).assert_right()


async def test_one_bad_event_in_a_batch_ends_visibly_and_the_others_are_fanned_out(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    await application.execute(
        "alter table relay.delivery add constraint no_bad_one check (size <> 17)"  # as any data error would
    )
    connection = await application.connection()
    good = [uuid4() for _ in range(40)]
    bad = uuid4()
    ids = [*good[:13], bad, *good[13:]]
    rows: list[dict[str, object]] = [
        {"id": each, "event_type": "invoice.paid", "payload": '{"padding": "17"}' if each == bad else "{}"}
        for each in ids
    ]
    await insert_events(connection, rows)

    daemon = await world.start()
    await daemon.wait_for_log("delivery.delivered", count=len(good))
    await daemon.wait_for_log("event.unprocessable", event_id=bad)

    (status,) = await application.status(bad)
    assert (status["state"], status["reason"]) == ("dead", "unprocessable")
    assert set(receiver.counts().values()) == {1}
    assert not receiver.of(bad)
    later = await application.insert()
    await receiver.wait_for_event(later)
    assert daemon.exit_code is None


async def test_an_event_whose_time_is_out_of_range_does_not_stop_the_others(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    daemon = await world.start()
    await application.execute(
        "begin; alter table relay.outbox disable trigger outbox_updated;"
        " insert into relay.outbox (event_type, payload) select 'invoice.paid', '{}'"
        " from generate_series(1, 4);"
        " update relay.outbox set deliver_at = at::timestamptz"
        " from unnest(array['294276-12-31 23:59:59.999999+00', 'infinity', '-infinity', null])"
        " with ordinality as a(at, n) where seq = (select min(seq) from relay.outbox) + n - 1;"
        " commit"
    )
    await daemon.wait_for_log("delivery.delivered", count=2)
    await application.wait_until("select not exists (select from relay.fresh)")
    assert len(receiver.receipts) == 2
    assert daemon.exit_code is None
