"""The API at work: endpoints, events, deliveries and operations of a real daemon."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from relay.receiver.verify import verify
from tests.support.admin import Panel
from tests.support.api import Program, program
from tests.support.replies import Reply
from tests.support.waiting import eventually

UNKNOWN = uuid4()


async def create(asking: Program, panel: Panel, **fields: Any) -> Any:
    body = {"url": panel.world.receiver.url(), **fields}
    return await asking.ask("POST", "/endpoints", body, status=201)


async def publish(asking: Program, event_type: str = "invoice.paid", **fields: Any) -> str:
    body = {"event_type": event_type, "payload": {"id": 1}, **fields}
    answer = await asking.ask("POST", "/events", body, status=201)
    event_id: str = answer["event_id"]
    return event_id


async def ended(asking: Program, event_id: str) -> list[Any]:
    """Wait until every delivery of an event has ended, and return them."""

    async def look() -> list[Any]:
        deliveries: list[Any] = (await asking.ask("GET", f"/events/{event_id}"))["deliveries"]
        over = {"delivered", "dead", "cancelled"}
        return deliveries if deliveries and {each["state"] for each in deliveries} <= over else []

    return await eventually(look, f"{event_id} has ended")


async def test_what_the_api_publishes_is_sent_byte_for_byte_and_signed_with_the_secret_that_it_told(
    panel: Panel,
) -> None:
    async with program(panel) as asking:
        made = await create(asking, panel, event_types=["invoice.*"])
        payload = b'{ "id":  9007199254740993.0,\t"name": "\\u00e9\xc3\xa9", "id": 1e400, "x": [ ] }'
        sent = (
            b'{"payload": {}, "event_type": "invoice.paid",\n "payload" : ' + payload + b' , "sequence": 3}'
        )
        answer = await asking.ask("POST", "/events", sent, status=201)
        assert answer["endpoints"] == 1
        request = await panel.world.receiver.wait_for_event(answer["event_id"])
        (delivery,) = await ended(asking, answer["event_id"])
        report = await asking.ask("GET", f"/deliveries/{delivery['delivery']}")

    assert request.body == payload
    assert verify(request.body, request.headers, made["secret"]).event_id == answer["event_id"]
    assert request.header("X-Webhook-Sequence") == "3"
    assert report["state"] == "delivered"
    assert [(each["attempt"], each["status_code"]) for each in report["log"]] == [(1, 200)]
    assert report["log"][0]["request_body"] == payload.decode()
    assert report["log"][0]["request_headers"]["X-Webhook-Event"] == "invoice.paid"


async def test_an_endpoint_lives_through_all_its_changes(panel: Panel) -> None:
    async with program(panel) as asking:
        fields = {
            "description": "Billing",
            "filter": {"currency": "EUR"},
            "timeout": "12s",
            "retry_schedule": ["1s", "1m"],
            "metadata": {"team": ["a", 1]},
            "headers": {"X-Team": "billing"},
        }
        made = await create(asking, panel, **fields)
        place = f"/endpoints/{made['id']}"
        shown = await asking.ask("GET", place)
        assert shown == {key: value for key, value in made.items() if key != "secret"}
        assert {key: shown[key] for key in fields} == fields

        changed = await asking.ask("PATCH", place, {"timeout": None, "description": "New"})
        assert (changed["timeout"], changed["description"], changed["filter"]) == (
            None,
            "New",
            fields["filter"],
        )

        for action, state, is_changed in (
            ("pause", "paused", True),
            ("pause", "paused", False),
            ("resume", "active", True),
            ("resume", "active", False),
        ):
            answer = await asking.ask("POST", f"{place}/{action}")
            assert (answer["endpoint"]["state"], answer["changed"]) == (state, is_changed)

        rotated = await asking.ask("POST", f"{place}/rotate-secret", {"overlap": "1h"})
        assert rotated["signing"] == 2
        assert rotated["secret"] != made["secret"]
        assert (await asking.ask("GET", f"{place}/health"))["breaker"] == "closed"
        assert [each["id"] for each in await asking.all_of("/endpoints?limit=1")] == [made["id"]]

        assert (await asking.ask("DELETE", place))["ended"] == 0
        problem = await asking.ask("GET", place, status=404)
        assert (problem["code"], problem["status"]) == ("not_found", 404)
        assert "was removed on" in problem["detail"]
        actions = [each["action"] for each in await asking.all_of("/audit?actor=api:test&limit=3")]
    assert actions == [
        *("endpoint.remove", "endpoint.rotate_secret", "endpoint.resume", "endpoint.pause"),
        *("endpoint.edit", "endpoint.add"),
    ]


async def test_a_test_event_is_sent_and_its_result_told(panel: Panel) -> None:
    panel.world.receiver.respond = lambda _: Reply(status=500, body=b"broken")
    async with program(panel) as asking:
        made = await create(asking, panel, event_types=["never.mind"])
        body = b'{"payload": {"n": 1.50}, "wait": "20s"}'
        report = await asking.ask("POST", f"/endpoints/{made['id']}/test", body, status=201)
        assert (report["state"], report["last_status_code"]) == ("dead", 500)
        assert report["log"][0]["response_body"] == "broken"
        assert report["log"][0]["request_body"] == '{"n": 1.50}'
        at_once = await asking.ask("POST", f"/endpoints/{made['id']}/test", status=201)
        assert at_once["event_type"] == "relay.test"


async def test_dead_deliveries_are_found_and_sent_again_one_some_or_all(panel: Panel) -> None:
    panel.world.receiver.respond = lambda _: Reply(status=500, headers=(("webhook-delivery", "abort"),))
    async with program(panel) as asking:
        await create(asking, panel)
        events = [await publish(asking) for _ in range(4)]
        names = [(await ended(asking, each))[0]["delivery"] for each in events]
        dead = await asking.all_of("/deliveries?state=dead&reason=aborted&status_code=500&limit=2")
        assert [each["delivery"] for each in dead] == names[::-1]
        assert all(len(each) == 13 for each in dead)

        panel.world.receiver.respond = lambda _: Reply()
        one = await asking.ask("POST", f"/deliveries/{names[0]}/retry")
        assert one["result"] == "scheduled"
        some = await asking.ask(
            "POST", "/deliveries/retry", {"deliveries": [names[1], f"{UNKNOWN}/{UNKNOWN}"]}
        )
        assert [each["result"] for each in some["items"]] == ["scheduled", "not_found"]
        gone = await asking.ask("POST", f"/deliveries/{names[2]}/discard")
        assert gone["result"] == "discarded"

        wanted = {"kind": "retry", "filter": {"state": "dead", "reason": "aborted"}, "rate": 1000}
        prepared = await asking.ask("POST", "/operations", wanted, status=201)
        assert (prepared["state"], prepared["total"], prepared["actor"]) == ("prepared", 1, "api:test")
        place = f"/operations/{prepared['id']}"
        started = await asking.ask("POST", f"{place}/start")
        assert started["changed"]
        done = await eventually(lambda: _done(asking, place), "the operation is done")
        assert done["results"] == {"scheduled": 1}
        for event in [*events[:2], events[3]]:
            assert (await ended(asking, event))[0]["state"] == "delivered"
        problem = await asking.ask("POST", f"{place}/pause", status=409)
        assert "is done" in problem["detail"]
        assert [each["id"] for each in await asking.all_of("/operations")] == [prepared["id"]]


async def test_what_was_delivered_is_replayed(panel: Panel) -> None:
    async with program(panel) as asking:
        await create(asking, panel)
        event = await publish(asking)
        await ended(asking, event)
        prepared = await asking.ask(
            "POST", "/replays", {"event_type": "invoice.*", "states": ["delivered"]}, status=201
        )
        assert prepared["total"] == 1
        await asking.ask("POST", f"/operations/{prepared['id']}/start")
        await panel.world.receiver.wait_for_event(event, count=2)
        other = await asking.ask("POST", "/replays", {"missing": True}, status=201)
        cancelled = await asking.ask("POST", f"/operations/{other['id']}/cancel")
        assert (cancelled["operation"]["state"], cancelled["changed"]) == ("cancelled", True)
        problem = await asking.ask("POST", "/replays", {"missing": True, "states": ["dead"]}, status=422)
        assert "leave one of them out" in problem["detail"]


async def test_sending_is_paused_and_goes_on(panel: Panel) -> None:
    async with program(panel) as asking:
        await create(asking, panel)
        for path, is_changed in (("pause", True), ("pause", False)):
            assert (await asking.ask("POST", f"/sending/{path}", {"tenant": None}))["changed"] is is_changed
        assert [each["tenant"] for each in (await asking.ask("GET", "/sending"))["items"]] == [None]
        event = await publish(asking)
        await eventually(lambda: _is_held(asking, event), "it is held")
        assert (await asking.ask("POST", "/sending/resume", {"tenant": None}))["changed"]
        assert (await ended(asking, event))[0]["state"] == "delivered"


async def test_an_event_is_found_by_what_it_was_published_with_and_withdrawn(panel: Panel) -> None:
    async with program(panel) as asking:
        event = await publish(asking, ordering_key="k1", dedupe_key="d1", deliver_at="2999-01-01T00:00:00Z")
        again = await asking.ask(
            "POST", "/events", {"event_type": "invoice.paid", "payload": 1, "dedupe_key": "d1"}, status=200
        )
        assert (again["event_id"], again["is_new"]) == (event, False)
        for query in (
            "ordering_key=k1",
            "dedupe_key=d1&tenant=",
            "event_type=invoice.*",
            "since=2026-01-01T00:00:00Z",
        ):
            assert [each["id"] for each in await asking.all_of(f"/events?{query}")] == [event], query
        assert await asking.all_of("/events?ordering_key=k2") == []
        for is_changed in (True, False):
            assert (await asking.ask("POST", f"/events/{event}/cancel"))["changed"] is is_changed
        assert (await asking.all_of("/events"))[0]["is_cancelled"]


async def test_tokens_are_made_listed_and_revoked(panel: Panel) -> None:
    async with program(panel) as asking:
        made = await asking.ask(
            "POST",
            "/tokens",
            {"name": "ci", "scope": "read", "tenant": "acme", "expires_in": "1h"},
            status=201,
        )
        async with panel.client(made["secret"]) as client:
            other = Program(client)
            assert await other.ask("GET", "/whoami") == {"name": "ci", "scope": "read", "tenant": "acme"}
            listed = (await asking.ask("GET", "/tokens"))["items"]
            assert {each["name"] for each in listed} == {"ci", "test"}
            assert made["secret"] not in str(listed)
            assert (await asking.ask("POST", f"/tokens/{made['id']}/revoke"))["changed"]
            await other.ask("GET", "/whoami", status=401)


async def test_the_numbers_of_everything_are_told(panel: Panel) -> None:
    async with program(panel, "read") as asking:
        stats = await asking.ask("GET", "/stats")
        assert stats["is_relay_running"]
        assert (await asking.ask("GET", "/alerts"))["items"] == []


async def test_a_url_is_judged_before_it_is_registered(panel: Panel) -> None:
    async with program(panel, "read") as asking:
        for url, code in (
            ("https://example.com/x", None),
            ("http://127.0.0.1:8000/", None),
            ("https://10.0.0.1/", "destination_not_allowed"),
            ("ftp://example.com/", "scheme_not_allowed"),
        ):
            verdict = await asking.ask("POST", "/url-checks", {"url": url})
            assert (verdict["allowed"], verdict["code"]) == (code is None, code)


@pytest.mark.parametrize(
    ("path", "repeated"),
    [
        ("/endpoints", {"url": "https://example.com/hook"}),
        ("/events", {"event_type": "a.b", "payload": {"x": 1}}),
    ],
)
async def test_twenty_at_once_under_one_key_create_one(panel: Panel, path: str, repeated: Any) -> None:
    async with program(panel) as asking:
        key = {"Idempotency-Key": str(uuid4())}
        answers = await asyncio.gather(
            *(asking.try_to_ask("POST", path, repeated, headers=key) for _ in range(20))
        )
        assert sorted(status for status, _ in answers) == [200] * 19 + [201]
        name = "id" if path == "/endpoints" else "event_id"
        assert len({answer[name] for _, answer in answers}) == 1
        assert len(await asking.all_of(path)) == 1
        if path == "/endpoints":
            assert len({answer["secret"] for _, answer in answers}) == 1
        problem = await asking.ask("POST", path, {**repeated, "tenant": "other"}, status=422, headers=key)
        assert problem["code"] == "idempotency_key_reused"
        other = {"Idempotency-Key": str(uuid4())}
        await asking.ask("POST", path, repeated, status=201, headers=other)


async def test_what_was_refused_leaves_its_key_free_and_keys_are_each_tokens_own(panel: Panel) -> None:
    key = {"Idempotency-Key": "one"}
    body = {"url": "https://example.com/", "description": "x"}
    async with program(panel) as asking, program(panel) as other:
        await asking.ask("POST", "/endpoints", {"url": "https://10.0.0.1/"}, status=422, headers=key)
        made = await asking.ask("POST", "/endpoints", body, status=201, headers=key)
        assert (await other.ask("POST", "/endpoints", body, status=201, headers=key))["id"] != made["id"]
        await asking.ask("POST", f"/endpoints/{made['id']}/rotate-secret", {"overlap": "0s"})
        again = await asking.ask("POST", "/endpoints", body, status=200, headers=key)
        assert (again["id"], again["secret"]) == (made["id"], None)


async def test_an_event_that_was_there_already_is_what_its_key_stands_for(panel: Panel) -> None:
    async with program(panel) as asking:
        first = await publish(asking, dedupe_key="once")
        body = {"event_type": "a.b", "payload": 2, "dedupe_key": "once"}
        for _ in range(2):
            answer = await asking.ask("POST", "/events", body, status=200, headers={"Idempotency-Key": "key"})
            assert (answer["event_id"], answer["is_new"]) == (first, False)


async def _done(asking: Program, place: str) -> Any:
    found = await asking.ask("GET", place)
    return found if found["state"] == "done" else None


async def _is_held(asking: Program, event: str) -> bool:
    deliveries = (await asking.ask("GET", f"/events/{event}"))["deliveries"]
    return [(each["state"], each["reason"]) for each in deliveries] == [("held", "sending_paused")]
