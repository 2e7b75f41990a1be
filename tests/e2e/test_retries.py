"""Failed deliveries are tried again when the schedule says, and end where a person can send them again."""

from uuid import UUID

import pytest

from tests.support.application import Application
from tests.support.daemon import Sections
from tests.support.receiver import Receiver, Reply
from tests.support.world import World

MARKS = [0, 5, 30, 155, 780, 3905, 19530, 62730, 105930, 149130, 192330, 235530, 259200]
"""Seconds after the first attempt at which the default schedule makes each."""
SCALE = 1e-4
SMALL: Sections = {
    "retry": {"base": "500us", "max_delay": "4.32s", "max_age": "25.92s", "jitter": 0.0},
    "breaker": {"window": "30ms"},
}
"""The default schedule on that scale."""


async def test_an_endpoint_that_fails_twice_is_tried_again_in_time_and_gets_its_event(world: World) -> None:
    world.receiver.script = {(None, 1): Reply(status=500, body=b"oh no"), (None, 2): Reply(status=503)}
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start({"retry": {"base": "200ms", "factor": 2.0}})

    event_id = await world.application.insert()
    await daemon.wait_for_log("delivery.delivered", event_id=event_id)

    log = await world.application.log_of(event_id)
    assert [(row["attempt"], row["outcome"], row["status_code"]) for row in log] == [
        (1, "retrying", 500),
        (2, "retrying", 503),
        (3, "delivered", 200),
    ]
    assert log[0]["response_body"] == "oh no"
    assert log[2]["next_attempt_at"] is None
    for row, request in zip(log, world.receiver.of(event_id)[1:], strict=False):
        late = request.wall - row["next_attempt_at"].timestamp()
        assert -0.01 <= late < 0.5, f"attempt {request.attempt} came {late:.3f} s after its time"
    (status,) = await world.application.status(event_id)
    assert (status["state"], status["attempts"]) == ("delivered", 3)
    failures = daemon.logged("attempt.failed", event_id=event_id)
    assert [line["attempt"] for line in failures] == [1, 2]


async def test_an_endpoint_that_always_fails_gets_every_attempt_of_the_window_at_its_mark(
    world: World,
) -> None:
    world.receiver.respond = lambda _: Reply(status=500)
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start(SMALL)

    event_id = await world.application.insert()
    await daemon.wait_for_log("delivery.dead", event_id=event_id, reason="exhausted", limit=40)

    requests = world.receiver.of(event_id)
    assert [request.attempt for request in requests] == list(range(1, len(MARKS) + 1))
    for request, mark in zip(requests, MARKS, strict=True):
        at, wanted = request.at - requests[0].at, mark * SCALE
        tolerance = max(0.1, wanted * 0.05)
        assert at == pytest.approx(wanted, abs=tolerance), f"attempt {request.attempt} of {len(MARKS)}"
    row = await world.application.wait_for_state(event_id, "dead", reason="exhausted")
    assert (row["attempts"], row["last_status_code"]) == (13, 500)
    await assert_a_retry_opens_a_new_window(world, event_id, endpoint_id)


async def assert_a_retry_opens_a_new_window(world: World, event_id: UUID, endpoint_id: UUID) -> None:
    world.receiver.respond = lambda request: Reply(status=500 if request.attempt == 14 else 200)

    (result,) = await world.relay("delivery", "retry", f"{event_id}/{endpoint_id}", "-o", "json")
    assert result["result"] == "scheduled"

    await world.receiver.wait_for_event(event_id, count=15)
    row = await world.application.wait_for_state(event_id, "delivered")
    assert row["attempts"] == 15
    log = await world.application.log_of(event_id)
    assert [entry["attempt"] for entry in log] == list(range(1, 16))
    assert [entry["trigger_type"] for entry in log[-3:]] == ["automatic", "manual", "manual"]


async def test_retries_of_many_do_not_keep_new_events_waiting(world: World) -> None:
    broken = Receiver()
    broken.respond = lambda _: Reply(status=500)
    async with broken:
        await world.application.add_endpoint(broken.url(), event_types=["broken"])
        await world.application.add_endpoint(world.receiver.url(), event_types=["healthy"])
        await world.application.insert_all(["{}"] * 300, event_type="broken")
        retry = {"base": "20ms", "factor": 1.0, "max_age": "1h"}
        daemon = await world.start({"retry": retry, "breaker": {"enabled": False}})
        await broken.wait_for_requests(600)

        healthy = await world.application.insert_all(["{}"] * 50, event_type="healthy")
        await daemon.wait_for_log("delivery.delivered", count=len(healthy), limit=10)

        assert set(world.receiver.counts()) == {str(event_id) for event_id in healthy}


async def test_a_stop_and_a_start_go_on_with_the_schedule_where_it_was(world: World) -> None:
    world.receiver.script[None, 1] = Reply(status=500)
    await world.application.add_endpoint(world.receiver.url())
    sections = {"retry": {"base": "1500ms", "jitter": 0.0}}
    first = await world.start(sections)
    event_id = await world.application.insert()
    await first.wait_for_log("attempt.failed", event_id=event_id)
    assert await first.terminate() == 0

    second = await world.start(sections)
    await second.wait_for_log("delivery.delivered", event_id=event_id)

    due = await next_attempt_of(world.application, event_id)
    (_, request) = world.receiver.of(event_id)
    assert request.attempt == 2
    assert request.wall >= due - 0.01


async def next_attempt_of(application: Application, event_id: UUID) -> float:
    """Return the Unix time at which the log says that the second attempt was due."""
    log = await application.log_of(event_id)
    at: float = log[0]["next_attempt_at"].timestamp()
    return at
