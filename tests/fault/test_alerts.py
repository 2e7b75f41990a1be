"""Alerts while the database is away, while another relay takes over, and of an endpoint that never answers."""

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.fault.server import FAST_STOP, Server, own_server
from tests.support.application import SECRET, Application
from tests.support.daemon import Sections, running_daemon
from tests.support.receiver import Receiver, Reply
from tests.support.world import World

pytestmark = pytest.mark.fault

LAST = "select count(*) filter (where cleared_at is null) from relay.alert"


def sections(sink: Receiver, **alerts: object) -> dict[str, dict[str, object]]:
    return {
        "alerts": {"window": "2s", "sinks": [sink.url()], "secret": SECRET, **alerts},
        "retry": {"base": "50ms", "factor": 1.0, "jitter": 0.0, "max_age": "1h"},
        "breaker": {"open_for": "200ms", "max_open_for": "200ms"},
    }


def told(sink: Receiver) -> list[tuple[str, str]]:
    return [(body["type"], body["alert"]) for body in map(json.loads, (each.body for each in sink.received))]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with own_server() as running:
        yield running


async def test_that_the_database_is_away_is_told_at_once_and_stored_when_it_is_back(
    server: Server, tmp_path: Path
) -> None:
    async with (
        Receiver() as sink,
        Application(server.dsn) as application,
        running_daemon(tmp_path, server.dsn, sections=sections(sink, max_database_away="1s")) as daemon,
    ):
        await server.stop(FAST_STOP)
        await sink.wait_for_requests(1)
        assert told(sink) == [("alert.raised", "database_away")]
        await server.start()
        await sink.wait_for_requests(2)

        await application.wait_until("select exists (select from relay.alert)")
        (row,) = await application.fetch("select * from relay.alert")
        assert row["alert"] == "database_away"
        assert row["cleared_at"] > row["raised_at"]
        assert json.loads(row["detail"])["away_s"] >= 1
        assert told(sink)[1:] == [("alert.cleared", "database_away")]
        await daemon.wait_for_log("alert.cleared")
        assert len(daemon.logged("alert.raised")) == len(daemon.logged("alert.cleared")) == 1


async def test_a_restart_of_the_database_that_takes_less_is_no_alert(server: Server, tmp_path: Path) -> None:
    async with (
        Receiver() as sink,
        Application(server.dsn) as application,
        running_daemon(tmp_path, server.dsn, sections=sections(sink, max_database_away="60s")) as daemon,
    ):
        await application.add_endpoint(sink.url("/hook"))
        await server.stop(FAST_STOP)
        await daemon.wait_for_log("database.lost")
        await server.start()
        event_id = await application.insert()
        await application.wait_for_state(event_id, "delivered")

        assert daemon.logged("alert.raised") == []


async def test_a_standby_that_takes_over_keeps_an_alert_without_raising_it_again(world: World) -> None:
    async with Receiver() as sink:
        await world.application.add_endpoint(world.receiver.url())
        world.receiver.respond = lambda _: Reply(status=500)
        first = await world.start(sections(sink))
        standby = await world.start(sections(sink))
        await world.application.insert_all(['{"id": 1}'] * 30)
        await sink.wait_for_requests(2)

        await first.kill()
        await standby.wait_for_log("relay.active")
        await standby.wait_for_log("attempt.failed", count=60)
        assert await world.application.fetchval(LAST) == 2
        world.receiver.respond = lambda _: Reply()
        await standby.wait_for_log("alert.cleared", count=2)

        assert standby.logged("alert.raised") == []
        assert await world.application.fetchval("select count(*) from relay.alert") == 2
        await sink.wait_for_requests(4)
        assert [kind for kind, _ in told(sink)] == ["alert.raised"] * 2 + ["alert.cleared"] * 2


@pytest.mark.full
@pytest.mark.timeout(1500)
async def test_an_endpoint_that_never_answers_raises_within_six_minutes_and_stays_raised(
    world: World, figures: Callable[[str], None]
) -> None:
    """With the default settings, and for two windows more."""
    defaults: Sections = {}
    async with Receiver() as silent:
        silent.hold()
        endpoint_id = await world.application.add_endpoint(silent.url())
        daemon = await world.start(defaults)
        begun = time.monotonic()
        await world.application.insert_all(['{"id": 1}'] * 100)

        await daemon.wait_for_log("alert.raised", endpoint_id=endpoint_id, limit=360)
        figures(f"raised {time.monotonic() - begun:.0f} s after the first event")
        await world.application.wait_until(
            "select now() - raised_at > interval '10 min' from relay.alert where endpoint_id = $1",
            endpoint_id,
            limit=700,
        )

        assert len(daemon.logged("alert.raised", endpoint_id=endpoint_id)) == 1
        assert daemon.logged("alert.cleared") == []
