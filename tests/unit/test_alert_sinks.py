"""Each sink gets every alert once, in order, in its form; what cannot be sent is given up in time."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from relay.alerts.alert import ClearedAlert, Key, RaisedAlert
from relay.alerts.sinks import MOST_WAITING, Sinks, SinkSettings
from relay.config_places import AlertSink
from relay.http.signature import parse_secret
from relay.model import Answer, Failure, Request, Response
from relay.receiver import verify
from tests.support.application import SECRET
from tests.support.waiting import Changes

PLAIN = AlertSink.parse("https://ops.example.com/relay")
SLACK = AlertSink.parse("slack+https://hooks.slack.com/services/T/B/x")
RAISED = RaisedAlert(
    key=Key("low_delivery_rate", UUID(int=1)),
    summary="Only <50%> of deliveries & so on",
    detail={"ratio": 0.5},
    raised_at=datetime(2026, 1, 1, tzinfo=UTC),
)
CLEARED = ClearedAlert(raised=RAISED, cleared_at=RAISED.raised_at + timedelta(minutes=2))


def answer(status: int, **headers: str) -> Response:
    return Response(status=status, headers=headers, body=b"")


class FakeWire:
    """Answers 204, unless something else is scripted for a URL; an answer of None never comes."""

    def __init__(self) -> None:
        self.sent: list[Request] = []
        self.script: dict[str, deque[Answer | None]] = {}
        self.changes = Changes()

    async def send(self, request: Request) -> Answer | None:
        self.sent.append(request)
        self.changes.tell()
        scripted = self.script.get(request.url)
        came = scripted.popleft() if scripted else answer(204)
        if came is None:
            await asyncio.Event().wait()
        return came

    async def wait_for(self, count: int) -> None:
        await self.changes.wait_for(lambda: len(self.sent) >= count, f"{count} requests")

    async def wait_for_one(self, sink: AlertSink, count: int) -> None:
        await self.changes.wait_for(lambda: len(self.to(sink)) >= count, f"{count} requests to {sink}")

    def to(self, sink: AlertSink) -> list[Request]:
        return [request for request in self.sent if request.url == sink.url]


def settings(*sinks: AlertSink) -> SinkSettings:
    return SinkSettings(
        sinks=sinks,
        secret=parse_secret(SECRET),
        user_agent="Relay/1.0",
        timeout=30.0,
        connect_timeout=5.0,
        refuse_url=lambda url: "destination_not_allowed" if "forbidden" in url else None,
    )


@asynccontextmanager
async def running(sinks: Sinks) -> AsyncIterator[None]:
    task = asyncio.create_task(sinks.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def sinks_on(wire: FakeWire, *sinks: AlertSink, delays: tuple[float, ...] = (0.0, 0.0)) -> Sinks:
    return Sinks(settings(*sinks), wire=wire, delays=delays)


def headers_of(request: Request) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in request.head.decode().splitlines())


async def test_a_plain_sink_gets_it_signed_and_slack_gets_a_text() -> None:
    wire = FakeWire()
    sinks = sinks_on(wire, PLAIN, SLACK)
    async with running(sinks):
        sinks.put(RAISED)
        await wire.wait_for(2)

    (plain,), (slack,) = wire.to(PLAIN), wire.to(SLACK)
    for form in ("standard", "x-webhook"):
        verify(plain.body, headers_of(plain), [SECRET], format=form)
    assert json.loads(plain.body)["endpoint_id"] == str(UUID(int=1))
    assert set(headers_of(slack)) == {"User-Agent", "Content-Type"}
    assert list(json.loads(slack.body)) == ["text"]
    assert "Only &lt;50%&gt; of deliveries &amp; so on" in json.loads(slack.body)["text"]


async def test_what_fails_is_sent_again_under_the_same_id_and_before_what_came_later() -> None:
    wire = FakeWire()
    failure = Failure(code="connect", message="refused")
    wire.script[PLAIN.url] = deque([failure, answer(500), answer(204)])
    sinks = sinks_on(wire, PLAIN)
    async with running(sinks):
        sinks.put(RAISED)
        sinks.put(CLEARED)
        await wire.wait_for(4)

    kinds = [json.loads(request.body)["type"] for request in wire.sent]
    assert kinds == ["alert.raised"] * 3 + ["alert.cleared"]
    ids = [headers_of(request)["X-Webhook-Id"] for request in wire.sent]
    assert len(set(ids[:3])) == 1
    assert ids[3] != ids[0]


async def test_what_fails_every_time_is_given_up_and_told_without_the_path() -> None:
    wire = FakeWire()
    wire.script[SLACK.url] = deque([answer(404)] * 3)
    sinks = sinks_on(wire, SLACK)
    with capture_logs() as logs:
        async with running(sinks):
            sinks.put(RAISED)
            sinks.put(CLEARED)
            await wire.wait_for(4)

    (line,) = [each for each in logs if each["event"] == "alert.undelivered"]
    assert line["sink"] == "slack+https://hooks.slack.com/***"
    assert line["detail"] == "the answer was 404"


async def test_a_sink_that_hangs_keeps_no_other_waiting_and_its_queue_has_a_bound() -> None:
    wire = FakeWire()
    wire.script[SLACK.url] = deque([None])
    sinks = sinks_on(wire, SLACK, PLAIN)
    with capture_logs() as logs:
        async with running(sinks):
            for count in range(1, MOST_WAITING + 6):
                sinks.put(RAISED)
                await wire.wait_for_one(PLAIN, count)

    assert len(wire.to(SLACK)) == 1
    assert len([each for each in logs if each["event"] == "alert.undelivered"]) == 5


async def test_a_refused_sink_is_told_of_at_once_and_gets_no_request() -> None:
    wire, bad = FakeWire(), AlertSink.parse("https://forbidden.example/x")
    with capture_logs() as logs:
        sinks = sinks_on(wire, bad, PLAIN, delays=())
        async with running(sinks):
            sinks.put(RAISED)
            await wire.wait_for(1)
            await asyncio.wait_for(sinks.finish(), 5)

    assert wire.to(bad) == []
    assert [each["event"] for each in logs] == ["alert.sink_refused", "alert.undelivered"]


async def test_a_reload_keeps_what_waits_for_a_sink_that_stays_and_serves_a_new_one() -> None:
    wire = FakeWire()
    wire.script[SLACK.url] = deque([None])
    sinks = sinks_on(wire, SLACK)
    with capture_logs() as logs:
        async with running(sinks):
            sinks.put(RAISED)
            await wire.wait_for(1)
            sinks.change(settings(SLACK, PLAIN))
            sinks.put(CLEARED)
            await wire.wait_for(2)
            assert len(wire.to(SLACK)) == len(wire.to(PLAIN)) == 1
            sinks.change(settings(PLAIN))

    assert [each["event"] for each in logs] == ["alert.undelivered"] * 2


async def test_nothing_is_sent_unsigned() -> None:
    wire = FakeWire()
    sinks = Sinks(replace(settings(PLAIN), secret=None), wire=wire, delays=())
    with capture_logs() as logs:
        async with running(sinks):
            sinks.put(RAISED)
            await asyncio.wait_for(sinks.finish(), 5)

    assert wire.sent == []
    assert "secret" in logs[0]["detail"]


async def test_the_end_of_the_relay_waits_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.alerts.sinks.LAST_TRIES", 0.01)
    wire = FakeWire()
    wire.script[PLAIN.url] = deque([None])
    sinks = sinks_on(wire, PLAIN)
    with capture_logs() as logs:
        async with running(sinks):
            sinks.put(RAISED)
            await wire.wait_for(1)
            await sinks.finish()

    assert [each["event"] for each in logs] == ["alert.undelivered"]
