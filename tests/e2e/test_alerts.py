"""Alerts: raised within a window, told to every sink once, cleared when things are well. A window is two seconds."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from relay.receiver import verify
from tests.support.application import SECRET
from tests.support.daemon import Daemon, config_text
from tests.support.ports import free_port
from tests.support.receiver import Receiver, Reply
from tests.support.scrape import scrape
from tests.support.waiting import eventually
from tests.support.world import World

WINDOW = 2.0
RAISED = "select id, alert, endpoint_id, summary, detail, raised_at, cleared_at from relay.alert order by id"


@dataclass(frozen=True, slots=True)
class Hearers:
    """Who hears of alerts."""

    sink: Receiver
    slack: Receiver
    operator: Receiver

    def sections(self, **alerts: object) -> dict[str, dict[str, object]]:
        """Return the configuration that has them hear."""
        return {
            "alerts": {
                "window": f"{WINDOW}s",
                "sinks": [
                    self.sink.url("/alerts?token=hidden"),
                    f"slack+{self.slack.url('/services/T/B/x')}",
                ],
                "secret": SECRET,
                **alerts,
            },
            "retry": {"base": "50ms", "factor": 1.0, "jitter": 0.0, "max_age": "1h"},
            "breaker": {"open_for": "200ms", "max_open_for": "200ms", "unhealthy_after": 1000},
        }

    async def wait_for(self, count: int) -> None:
        """Wait until each has heard so much."""
        for receiver in (self.sink, self.slack, self.operator):
            await receiver.wait_for_requests(count)


@pytest.fixture
async def hearers(world: World) -> AsyncIterator[Hearers]:
    """Provide a sink, one in Slack's form, and an endpoint of the operator's."""
    async with Receiver() as sink, Receiver() as slack, Receiver() as operator:
        await world.application.add_endpoint(operator.url(), tenant="operator", event_types=["alert.*"])
        yield Hearers(sink, slack, operator)


async def alerts(world: World, name: str = "low_delivery_rate") -> list[Any]:
    """Return the alerts of that name of everything, oldest first."""
    rows = await world.application.fetch(RAISED)
    return [row for row in rows if row["alert"] == name and row["endpoint_id"] is None]


async def cleared(world: World, daemon: Daemon, count: int) -> None:
    await daemon.wait_for_log("alert.cleared", count=count)
    await world.application.wait_until("select bool_and(cleared_at is not null) from relay.alert")


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in receiver.received]


async def test_a_low_rate_is_told_once_to_everybody_and_is_over_when_things_are_well(
    world: World, hearers: Hearers
) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    world.receiver.respond = lambda _: Reply(status=500)
    daemon = await world.start(hearers.sections())
    await world.application.insert_all(['{"id": 1}'] * 30)
    begun = asyncio.get_running_loop().time()

    await daemon.wait_for_log("alert.raised", count=2)
    assert asyncio.get_running_loop().time() - begun < 2 * WINDOW
    await hearers.wait_for(2)
    (row,) = await alerts(world)
    assert row["cleared_at"] is None
    assert json.loads(row["detail"]) == {
        "ratio": 0.0,
        "delivered": 0,
        "failing": 30,
        "window_s": WINDOW,
        "min_success_ratio": 0.95,
    }
    assert row["summary"].startswith(
        "Only 0.0% of deliveries succeeded within 2s (0 of 30; the limit is 0.95)"
    )

    world.receiver.respond = lambda _: Reply()
    await cleared(world, daemon, 2)
    await hearers.wait_for(4)

    assert len(daemon.logged("alert.raised")) == 2
    assert {line.get("endpoint_id") for line in daemon.logged("alert.raised")} == {None, str(endpoint_id)}
    told = [(each["type"], each["endpoint_id"]) for each in bodies(hearers.sink)]
    assert sorted(told, key=str) == sorted(
        [(kind, of) for kind in ("alert.raised", "alert.cleared") for of in (None, str(endpoint_id))], key=str
    )
    assert len(hearers.sink.received) == len(hearers.slack.received) == len(hearers.operator.received) == 4


async def test_each_hears_in_its_own_form(world: World, hearers: Hearers) -> None:
    await world.application.add_endpoint(world.receiver.url("/hook?token=hidden"))
    world.receiver.respond = lambda _: Reply(status=500)
    await world.start(hearers.sections())
    await world.application.insert_all(['{"id": 1}'] * 30)
    await hearers.wait_for(2)

    for request in hearers.sink.received:
        headers = {name: request.header(name) for name in HEADERS}
        standard = verify(request.body, headers, [SECRET], format="standard")
        assert verify(request.body, headers, [SECRET], format="x-webhook").timestamp == standard.timestamp
        assert request.header("X-Webhook-Event") == "alert.raised"
        body = json.loads(request.body)
        assert body["alert"] == "low_delivery_rate"
        assert body["summary"] in body["text"]
        assert body["cleared_at"] is None
    for body in bodies(hearers.slack):
        assert list(body) == ["text"]
        assert "low_delivery_rate" in body["text"]
    for request in hearers.slack.received:
        assert b"signature" not in request.head.lower()
    for request in hearers.operator.received:
        assert request.header("X-Webhook-Event") == "alert.raised"
        assert json.loads(request.body)["detail"]["failing"] == 30
    everything = [each.body for each in (*hearers.sink.received, *hearers.slack.received)]
    assert not any(b"hidden" in body for body in everything)


HEADERS = ("X-Webhook-Id", "X-Webhook-Signature", "webhook-id", "webhook-timestamp", "webhook-signature")


async def test_three_failures_of_five_raise_nothing(world: World, hearers: Hearers) -> None:
    await world.application.add_endpoint(world.receiver.url())
    world.receiver.respond = lambda request: Reply(status=500 if b"bad" in request.body else 200)
    daemon = await world.start(hearers.sections() | {"breaker": {"enabled": False}})
    await world.application.insert_all(['{"id": "bad"}'] * 3 + ['{"id": 1}'] * 2)
    await daemon.wait_for_log("attempt.failed", count=int(3 * 1.5 * WINDOW / 0.1))

    assert daemon.logged("alert.raised") == []
    assert await world.application.fetch(RAISED) == []


async def test_a_rate_that_hovers_at_the_limit_raises_once(world: World, hearers: Hearers) -> None:
    await world.application.add_endpoint(world.receiver.url())
    world.receiver.respond = lambda request: Reply(status=400 if b"bad" in request.body else 200)
    sections = hearers.sections() | {"retry": {"permanent_statuses": [400]}}
    daemon = await world.start(sections)

    for number in range(40):  # four windows, 93 to 97 of a hundred
        bad = 3 if number % 2 else 7
        await world.application.insert_all(['{"id": "bad"}'] * bad + ['{"id": 1}'] * (100 - bad))
        await asyncio.sleep(WINDOW / 10)  # the rate is one of time

    assert len(daemon.logged("alert.raised")) == 2, "one of the endpoint, one of all together"
    assert len(await alerts(world)) == 1
    assert daemon.logged("alert.cleared") == []


async def test_a_silent_endpoint_raises_and_stays_raised_while_its_breaker_is_open(
    world: World, hearers: Hearers
) -> None:
    async with Receiver() as silent:
        silent.hold()
        endpoint_id = await world.application.add_endpoint(silent.url())
        sections = hearers.sections()
        sections["delivery"] = {"timeout": "100ms", "connect_timeout": "100ms"}
        sections["breaker"] = {"open_for": "1h", "max_open_for": "1h"}
        sections["retry"] = {
            "base": "1h"
        }  # so that in the end nothing fails but what waits behind the breaker
        daemon = await world.start(sections)
        await world.application.insert_all(['{"id": 1}'] * 60)

        await daemon.wait_for_log("alert.raised", endpoint_id=endpoint_id)
        for event_id in await world.application.insert_all(['{"id": 2}'] * 5):
            await daemon.wait_for_log("event.fanned_out", event_id=event_id)
        await world.application.wait_until(
            "select now() - max(attempted_at) > make_interval(secs => $1) from relay.attempt where endpoint_id = $2",
            3 * WINDOW,
            endpoint_id,
        )

        assert daemon.logged("alert.cleared", endpoint_id=endpoint_id) == []
        assert len(daemon.logged("alert.raised", endpoint_id=endpoint_id)) == 1
        tried = await world.application.fetchval("select count(*) from relay.delivery where attempt > 0")
        assert 10 <= tried < 20, "it is the breaker that makes the others wait"


async def test_a_restart_keeps_an_alert_and_does_not_raise_it_again(world: World, hearers: Hearers) -> None:
    await world.application.add_endpoint(world.receiver.url())
    world.receiver.respond = lambda _: Reply(status=500)
    first = await world.start(hearers.sections())
    await world.application.insert_all(['{"id": 1}'] * 30)
    await hearers.wait_for(2)
    await first.kill()

    port = free_port()
    second = await world.start({**hearers.sections(), "metrics": {"listen": f"127.0.0.1:{port}"}})

    async def shown() -> bool:
        return (await scrape(port)).value("relay_alert_active", alert="low_delivery_rate") == 2

    await eventually(shown, "both alerts are shown")
    world.receiver.respond = lambda _: Reply()
    await cleared(world, second, 2)
    assert second.logged("alert.raised") == []
    await hearers.wait_for(4)
    assert len(await world.application.fetch(RAISED)) == 2


async def test_an_endpoint_that_is_removed_or_paused_has_no_alert(world: World, hearers: Hearers) -> None:
    ids = [
        await world.application.add_endpoint(world.receiver.url(), event_types=[name]) for name in ("a", "b")
    ]
    world.receiver.respond = lambda _: Reply(status=500)
    daemon = await world.start(hearers.sections())
    for name in ("a", "b"):
        await world.application.insert_all(['{"id": 1}'] * 30, event_type=name)
    for endpoint_id in ids:
        await daemon.wait_for_log("alert.raised", endpoint_id=endpoint_id)

    await world.relay("endpoint", "pause", str(ids[0]), "-o", "json")
    await world.relay("endpoint", "remove", str(ids[1]), "--yes", "-o", "json")

    for endpoint_id in ids:
        await daemon.wait_for_log("alert.cleared", endpoint_id=endpoint_id)
    await cleared(world, daemon, 3)


async def test_an_endpoint_that_relay_disabled_has_an_alert_until_somebody_resumes_it(
    world: World, hearers: Hearers
) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    world.receiver.respond = lambda _: Reply(status=410)
    daemon = await world.start(hearers.sections())
    await world.application.insert()
    line = await daemon.wait_for_log("alert.raised", alert="endpoint_disabled", endpoint_id=endpoint_id)
    assert str(endpoint_id) in line["detail"]

    world.receiver.respond = lambda _: Reply()
    await world.relay("endpoint", "resume", str(endpoint_id), "-o", "json")

    await daemon.wait_for_log("alert.cleared", alert="endpoint_disabled", endpoint_id=endpoint_id)


async def test_a_backlog_that_ages_raises_and_what_is_held_or_scheduled_does_not(
    world: World, hearers: Hearers
) -> None:
    paused = await world.application.add_endpoint(world.receiver.url(), event_types=["held"], state="paused")
    slow = await world.application.add_endpoint(world.receiver.url(), event_types=["slow"], rate_limit=0.001)
    daemon = await world.start(hearers.sections(max_backlog_age="1s"))
    await world.application.insert_all(['{"id": 1}'] * 2, event_type="held")
    later = await world.application.fetchval("select now() + interval '1 hour'")
    await world.application.insert(event_type="slow", deliver_at=later)
    await world.application.wait_until(
        "select bool_or(now() - created_at > interval '3 s') from relay.outbox", limit=10
    )
    assert daemon.logged("alert.raised") == []

    await world.application.insert_all(['{"id": 1}'] * 3, event_type="slow")
    line = await daemon.wait_for_log("alert.raised", alert="backlog_age")
    assert str(slow) in line["detail"]
    assert str(paused) not in line["detail"]

    await world.application.change_endpoint(slow, rate_limit=None)
    await daemon.wait_for_log("alert.cleared", alert="backlog_age")


async def test_a_sink_that_fails_is_tried_again_and_one_that_is_refused_is_told_of(
    world: World, hearers: Hearers
) -> None:
    world.receiver.respond = lambda _: Reply(status=410)
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    hearers.sink.respond = lambda request: Reply(status=500 if request.number == 1 else 204)
    sections = hearers.sections()
    sections["alerts"]["sinks"] = ["http://10.1.2.3:8080/x", hearers.sink.url()]
    daemon = await world.start(sections)
    refused = await daemon.wait_for_log("alert.sink_refused")
    assert refused["sink"] == "http://10.1.2.3:8080/***"

    await world.application.insert()
    await hearers.sink.wait_for_requests(2)

    first, second = hearers.sink.received
    assert first.body == second.body
    assert first.header("X-Webhook-Id") == second.header("X-Webhook-Id")
    assert json.loads(first.body)["endpoint_id"] == str(endpoint_id)


async def test_a_reload_takes_over_limits_and_sinks(world: World, hearers: Hearers) -> None:
    await world.application.add_endpoint(world.receiver.url())
    world.receiver.respond = lambda _: Reply(status=500)
    sections = hearers.sections(min_success_ratio=0, sinks=[])
    daemon = await world.start(sections)
    await world.application.insert_all(['{"id": 1}'] * 30)
    await daemon.wait_for_log("attempt.failed", count=60)
    assert daemon.logged("alert.raised") == []

    text = daemon.config.read_text(encoding="utf-8")
    old, new = (config_text({"alerts": each["alerts"]}) for each in (sections, hearers.sections()))
    assert old.strip() in text
    daemon.config.write_text(text.replace(old.strip(), new.strip()), encoding="utf-8")
    daemon.signal(signal.SIGHUP)

    await hearers.wait_for(2)
