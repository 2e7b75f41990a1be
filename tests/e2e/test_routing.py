"""Which endpoints get an event, and when: subscriptions, tenants, addresses, and times."""

from datetime import UTC, datetime, timedelta

from tests.support.application import Application, insert_endpoint, insert_events
from tests.support.checker import check_everything
from tests.support.receiver import Received
from tests.support.world import World


def types_at(requests: list[Received], path: str) -> list[str]:
    return sorted(request.header("X-Webhook-Event") for request in requests if request.path == path)


async def test_every_event_goes_to_the_endpoints_whose_patterns_take_it(world: World) -> None:
    patterns = {"/all": ["*"], "/exact": ["a.b"], "/below": ["a.b.*"], "/both": ["a.b", "a.*"]}
    for path, event_types in patterns.items():
        await world.application.add_endpoint(world.receiver.url(path), event_types=event_types)
    daemon = await world.start()
    for event_type in ("a", "a.b", "a.b.c", "a.b.c.d", "a.bc"):
        await world.application.insert(event_type=event_type)

    await daemon.wait_for_log("delivery.delivered", count=5 + 1 + 2 + 4)
    assert await daemon.terminate() == 0

    requests = world.receiver.received
    assert types_at(requests, "/all") == ["a", "a.b", "a.b.c", "a.b.c.d", "a.bc"]
    assert types_at(requests, "/exact") == ["a.b"]
    assert types_at(requests, "/below") == ["a.b.c", "a.b.c.d"]
    assert types_at(requests, "/both") == ["a.b", "a.b.c", "a.b.c.d", "a.bc"]


async def test_a_tenant_gets_its_own_events_and_no_others(world: World) -> None:
    for tenant in ("", "blue", "red"):
        await world.application.add_endpoint(world.receiver.url(f"/{tenant}"), tenant=tenant)
    nobody = await world.application.insert(tenant="")
    blue = await world.application.insert(tenant="blue")
    red = await world.application.insert(tenant="red")
    daemon = await world.start(options=["--until-idle"])
    assert await daemon.wait() == 0

    got = {(request.path, request.event_id) for request in world.receiver.received}
    assert got == {("/", str(nobody)), ("/blue", str(blue)), ("/red", str(red))}


async def test_an_addressed_event_goes_to_its_endpoint_alone_and_never_to_another_tenants(
    world: World,
) -> None:
    one = await world.application.add_endpoint(world.receiver.url("/one"), event_types=["other"])
    await world.application.add_endpoint(world.receiver.url("/all"))
    foreign = await world.application.add_endpoint(world.receiver.url("/foreign"), tenant="blue")
    addressed = await world.application.insert(endpoint_id=one)
    misdirected = await world.application.insert(endpoint_id=foreign)
    daemon = await world.start(options=["--until-idle"])
    assert await daemon.wait() == 0

    assert [(r.path, r.event_id) for r in world.receiver.received] == [("/one", str(addressed))]
    (row,) = await world.application.status(misdirected)
    assert (row["state"], row["reason"]) == ("unrouted", "no_subscription")


async def test_an_event_that_nobody_wants_is_told_of_and_not_forgotten(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url(), event_types=["invoice.*"])
    event_id = await world.application.insert(event_type="order.placed", tenant="")
    daemon = await world.start(options=["--until-idle"])
    assert await daemon.wait() == 0

    (line,) = daemon.logged("event.unrouted", event_id=event_id)
    assert line["event_type"] == "order.placed"
    (row,) = await world.application.status(event_id)
    assert (row["state"], row["reason"], row["endpoint_id"]) == ("unrouted", "no_subscription", None)
    assert not world.receiver.received


async def test_an_event_for_later_waits_visibly_and_one_for_soon_is_sent_on_time(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    await world.start({"database": {"poll_interval": "30s"}})
    soon_at = datetime.now(UTC) + timedelta(seconds=1)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    later = await world.application.insert(deliver_at=tomorrow)
    soon = await world.application.insert(deliver_at=soon_at)

    row = await world.application.wait_for_state(later, "pending", reason="deliver_at")
    assert row["next_attempt_at"] == tomorrow
    assert row["attempts"] == 0
    request = await world.receiver.wait_for_event(soon)

    late = request.wall - soon_at.timestamp()
    assert -0.01 <= late < 0.5
    assert not world.receiver.of(later)


async def test_an_expired_event_ends_dead_and_is_never_sent(world: World) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url(), state="paused")
    await world.start()
    expires_at = datetime.now(UTC) + timedelta(seconds=0.5)
    past = await world.application.insert(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    soon = await world.application.insert(expires_at=expires_at)
    kept = await world.application.insert(expires_at=datetime.now(UTC) + timedelta(hours=1))
    await world.application.wait_for_state(soon, "held")
    await world.application.wait_until("select clock_timestamp() > $1", expires_at)

    await world.application.change_endpoint(endpoint_id, state="active")
    await world.application.wait_for_state(past, "dead", reason="expired")
    await world.application.wait_for_state(soon, "dead", reason="expired")
    await world.application.wait_for_state(kept, "delivered")

    assert [request.event_id for request in world.receiver.received] == [str(kept)]


async def test_an_event_cancelled_before_its_fan_out_is_never_sent(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    cancelled = await world.application.insert()
    kept = await world.application.insert()
    await world.application.execute("select relay.cancel($1)", cancelled)
    (row,) = await world.application.status(cancelled)
    assert row["state"] == "cancelled"

    daemon = await world.start(options=["--until-idle"])
    assert await daemon.wait() == 0

    assert daemon.logged("event.cancelled", event_id=cancelled)
    assert [request.event_id for request in world.receiver.received] == [str(kept)]
    (row,) = await world.application.status(cancelled)
    assert row["state"] == "cancelled"


async def test_an_event_cancelled_while_its_delivery_waits_is_not_sent_again(world: World) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url(), state="paused")
    daemon = await world.start()
    cancelled = await world.application.insert()
    kept = await world.application.insert()
    await world.application.wait_for_state(cancelled, "held")

    await world.application.execute("select relay.cancel($1)", cancelled)
    (row,) = await world.application.status(cancelled)
    assert row["state"] == "cancelled"
    await world.application.change_endpoint(endpoint_id, state="active")
    await daemon.wait_for_log("delivery.cancelled", event_id=cancelled)
    await daemon.wait_for_log("delivery.delivered", event_id=kept)

    assert [request.event_id for request in world.receiver.received] == [str(kept)]
    (row,) = await world.application.status(cancelled)
    assert (row["state"], row["attempts"]) == ("cancelled", 0)


async def test_an_endpoint_gets_the_event_of_the_very_transaction_that_added_it(world: World) -> None:
    daemon = await world.start({"database": {"poll_interval": "30s"}})
    connection = await world.application.connection()
    for number in range(20):
        path = f"/hook/{number}"
        async with connection.transaction():
            if number % 2:
                await insert_endpoint(connection, world.receiver.url(path), event_types=[f"n.{number}"])
            await insert_events(connection, [{"event_type": f"n.{number}", "payload": "{}"}])
            if not number % 2:
                await insert_endpoint(connection, world.receiver.url(path), event_types=[f"n.{number}"])

    await daemon.wait_for_log("delivery.delivered", count=20)

    assert not daemon.logged("event.unrouted")
    got = {request.path: request.header("X-Webhook-Event") for request in world.receiver.received}
    assert got == {f"/hook/{number}": f"n.{number}" for number in range(20)}


async def test_transactions_that_commit_out_of_order_or_roll_back_are_told_apart(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start()
    async with Application(world.dsn) as slow:
        connection = await slow.connection()
        async with connection.transaction():
            await insert_events(connection, [{"event_type": "slow", "payload": "{}"}] * 2)
            quick = await world.application.insert_all(["{}"] * 5)
            await world.application.insert_and_roll_back()
            await daemon.wait_for_log("delivery.delivered", count=5)
            assert len(world.receiver.received) == 5
    await daemon.wait_for_log("delivery.delivered", count=7)

    types = [request.header("X-Webhook-Event") for request in world.receiver.received]
    assert types == ["invoice.paid"] * len(quick) + ["slow"] * 2


async def test_an_event_that_cannot_be_fanned_out_is_set_aside_and_its_neighbours_arrive(
    world: World,
) -> None:
    await world.application.add_endpoint(world.receiver.url())
    await world.application.execute("""
        create function public.refuse_poison() returns trigger language plpgsql as $$
        begin
          if exists (select from relay.outbox where seq = new.event_seq and event_type = 'poison') then
            raise exception 'this event is poison';
          end if;
          return new;
        end $$;
        create trigger refuse_poison before insert on relay.delivery
        for each row execute function public.refuse_poison();
    """)
    before = await world.application.insert_all(["{}"] * 20)
    poison = await world.application.insert(event_type="poison")
    after = await world.application.insert_all(["{}"] * 20)
    del world.application.books.committed[poison]
    daemon = await world.start(options=["--until-idle"])
    assert await daemon.wait() == 0

    (row,) = await world.application.status(poison)
    assert (row["state"], row["reason"]) == ("dead", "unprocessable")
    assert "this event is poison" in row["last_error"]
    (line,) = daemon.logged("event.unprocessable", event_id=poison)
    assert "this event is poison" in line["detail"]
    assert world.receiver.counts().total() == len(before) + len(after)
    (await check_everything(world.application, world.receiver)).assert_right()
