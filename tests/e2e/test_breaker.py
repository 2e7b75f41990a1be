"""An endpoint that fails is left alone for a while; then one probe finds out whether it is back."""

from uuid import UUID

import asyncpg
import pytest

from relay.endpoints.limits import START
from tests.support.application import Application
from tests.support.daemon import Daemon, Sections
from tests.support.receiver import Receiver, Reply
from tests.support.world import World

AT_ONCE: Sections = {"retry": {"base": "50ms", "factor": 1.0, "jitter": 0.0}}
"""So retries are due while the breaker is open."""
SHORT: Sections = {**AT_ONCE, "breaker": {"open_for": "300ms"}}


async def broken(world: World, daemon: Daemon, receiver: Receiver, *, events: int = 30) -> UUID:
    """Return an endpoint at `receiver` whose breaker has just opened, and that has so many deliveries."""
    receiver.respond = lambda _: Reply(status=500)
    endpoint_id = await world.application.add_endpoint(receiver.url(), event_types=["broken"])
    await world.application.insert_all(['{"id": 1}'] * events, event_type="broken")
    await daemon.wait_for_log("endpoint.breaker_opened", endpoint_id=endpoint_id)
    await world.application.wait_until(
        "select breaker = 'open' from relay.endpoint_condition where endpoint_id = $1", endpoint_id
    )
    return endpoint_id


async def let_others_pass(world: World, daemon: Daemon) -> None:
    """Have events delivered to a healthy endpoint, one after the other: so fan-out and claims had their turns."""
    if not await world.application.fetchval(
        "select exists (select from relay.endpoint where url = $1)", world.receiver.url()
    ):
        await world.application.add_endpoint(world.receiver.url(), event_types=["healthy"])
    for _ in range(5):
        event_id = await world.application.insert(event_type="healthy")
        await daemon.wait_for_log("delivery.delivered", event_id=event_id)


async def rows_of(application: Application, endpoint_id: UUID) -> list[asyncpg.Record]:
    return await application.fetch(
        "select event_seq, xmin::text, attempt, claim from relay.delivery where endpoint_id = $1 order by 1",
        endpoint_id,
    )


async def health_of(application: Application, endpoint_id: UUID) -> tuple[str, bool]:
    """Return the state of its breaker, and whether people see until when it is left alone."""
    (row,) = await application.fetch(
        "select breaker, paused_until > now() as is_paused from relay.endpoint_health where endpoint_id = $1",
        endpoint_id,
    )
    return row["breaker"], bool(row["is_paused"])


async def test_while_a_breaker_is_open_nothing_is_sent_and_no_row_is_touched(world: World) -> None:
    daemon = await world.start(AT_ONCE)
    async with Receiver() as failing:
        endpoint_id = await broken(world, daemon, failing)
        late = await world.application.insert_all(['{"id": 2}'] * 20, event_type="broken")
        for event_id in late:
            await daemon.wait_for_log("event.fanned_out", event_id=event_id)
        await world.application.wait_until(
            "select bool_and(next_attempt_at <= now() and claimed_by is null) from relay.delivery"
        )
        requests, before = len(failing.receipts), await rows_of(world.application, endpoint_id)

        await let_others_pass(world, daemon)

        assert await rows_of(world.application, endpoint_id) == before
        assert len(before) == 50
        assert len(failing.receipts) == requests
        assert await health_of(world.application, endpoint_id) == ("open", True)
        assert {row["state"] for event_id in late for row in await world.application.status(event_id)} == {
            "pending"
        }


async def test_one_probe_finds_out_that_an_endpoint_is_back_and_its_backlog_drains_within_its_limit(
    world: World,
) -> None:
    daemon = await world.start({**SHORT, "delivery": {"max_in_flight_per_endpoint": 10}})
    async with Receiver() as failing:
        endpoint_id = await broken(world, daemon, failing, events=300)
        await failing.wait_for(lambda: failing.open_requests == 0)
        failing.hold()
        failing.most_open = 0
        failing.respond = lambda _: Reply(delay=0.005)

        await failing.wait_for_open(1)
        await let_others_pass(world, daemon)
        assert failing.open_requests == 1
        assert await health_of(world.application, endpoint_id) == ("half_open", False)

        failing.release()
        await daemon.wait_for_log("endpoint.recovered", endpoint_id=endpoint_id)
        await world.application.wait_until("select not exists (select from relay.delivery)")
        assert len({request.event_id for request in failing.received}) == 300
        assert START < failing.most_open <= 10
        await world.application.wait_until("select not exists (select from relay.endpoint_condition)")


async def test_each_probe_that_fails_doubles_the_time(world: World) -> None:
    daemon = await world.start({**SHORT, "breaker": {"open_for": "200ms", "max_open_for": "700ms"}})
    async with Receiver() as failing:
        endpoint_id = await broken(world, daemon, failing)

        await daemon.wait_for_log("endpoint.breaker_opened", count=4)

        lines = daemon.logged("endpoint.breaker_opened", endpoint_id=endpoint_id)
        assert [line["open_for_s"] for line in lines[:4]] == [0.2, 0.4, 0.7, 0.7]


async def test_a_restart_does_not_forget_an_open_breaker(world: World) -> None:
    first = await world.start(AT_ONCE)
    async with Receiver() as failing:
        endpoint_id = await broken(world, first, failing)
        assert await first.terminate() == 0
        requests, before = len(failing.receipts), await rows_of(world.application, endpoint_id)

        second = await world.start(AT_ONCE)
        await let_others_pass(world, second)

        assert len(failing.receipts) == requests
        assert await rows_of(world.application, endpoint_id) == before
        assert await health_of(world.application, endpoint_id) == ("open", True)


async def test_a_process_that_starts_after_the_time_is_over_probes_first(world: World) -> None:
    first = await world.start(SHORT)
    async with Receiver() as failing:
        endpoint_id = await broken(world, first, failing)
        await first.kill()
        failing.hold()
        failing.respond = lambda _: Reply()
        await world.application.execute("update relay.endpoint_condition set paused_until = now()")

        second = await world.start(SHORT)
        await failing.wait_for_open(1)
        await let_others_pass(world, second)
        assert failing.open_requests == 1

        failing.release()
        await second.wait_for_log("endpoint.recovered", endpoint_id=endpoint_id)


async def test_resuming_an_endpoint_that_is_left_alone_tries_it_at_once(world: World) -> None:
    daemon = await world.start(AT_ONCE)
    async with Receiver() as failing:
        endpoint_id = await broken(world, daemon, failing)
        failing.respond = lambda _: Reply()

        await world.relay("endpoint", "resume", str(endpoint_id), "-o", "json")

        await world.application.wait_until("select not exists (select from relay.delivery)", limit=5)
        assert await health_of(world.application, endpoint_id) == ("closed", False)


@pytest.mark.parametrize("column", ["url", "timeout"])
async def test_an_edit_of_an_endpoint_that_is_left_alone_tries_it_at_once(world: World, column: str) -> None:
    daemon = await world.start(AT_ONCE)
    async with Receiver() as failing:
        endpoint_id = await broken(world, daemon, failing)
        failing.respond = lambda _: Reply()

        if column == "url":
            await world.application.change_endpoint(endpoint_id, url=failing.url("/mended"))
        else:
            await world.application.execute("update relay.endpoint set timeout = '9s'")

        await world.application.wait_until("select not exists (select from relay.delivery)", limit=5)
        await world.application.wait_until("select not exists (select from relay.endpoint_condition)")


async def test_an_endpoint_whose_connections_are_refused_is_left_alone_and_costs_others_nothing(
    world: World,
) -> None:
    async with Receiver() as gone:
        endpoint_id = await world.application.add_endpoint(gone.url(), event_types=["broken"])
    daemon = await world.start()
    await world.application.insert_all(['{"id": 1}'] * 50, event_type="broken")
    await daemon.wait_for_log("endpoint.breaker_opened", endpoint_id=endpoint_id)

    await let_others_pass(world, daemon)

    tried = await world.application.fetchval(
        "select count(*) from relay.attempt where endpoint_id = $1", endpoint_id
    )
    assert 10 <= tried < 20
