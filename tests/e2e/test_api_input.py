"""Whatever is sent to the API, the answer says what is wrong with it, and it is never a fault of ours."""

from tests.support.admin import Panel
from tests.support.api import program

URL = b'"url": "https://example.com/"'
BODIES = {
    "nothing": (b"", 400),
    "no JSON": (b"{", 400),
    "no object": (b"[]", 422),
    "two values": (b"{} {}", 400),
    "no UTF-8": (b'{"url": "\xff"}', 400),
    "half a surrogate pair": (b'{"url": "\\ud800"}', 400),
    "a NUL": (b'{%b, "description": "\\u0000"}' % URL, 422),
    "a NUL in the URL": (b'{"url": "https://example.com/\\u0000"}', 422),
    "too deep": (b'{%b, "metadata": {"a": %b}}' % (URL, b"[" * 100_000 + b"]" * 100_000), 400),
    "deep": (b'{%b, "filter": {"a": %b}}' % (URL, b"[" * 150 + b"]" * 150), 422),
    "a huge whole number": (b'{%b, "max_in_flight": 1%b}' % (URL, b"0" * 5000), 400),
    "a large whole number": (b'{%b, "max_in_flight": 9999999999}' % URL, 422),
    "a huge number": (b'{%b, "rate_limit": 1e999}' % URL, 422),
    "no number": (b'{%b, "rate_limit": NaN}' % URL, 422),
    "a number as text": (b'{%b, "max_in_flight": "5"}' % URL, 422),
    "a truth as number": (b'{%b, "ordered": 1}' % URL, 422),
    "a duration as number": (b'{%b, "timeout": 30}' % URL, 422),
    "an endless duration": (b'{%b, "timeout": "99999999999999999999d"}' % URL, 422),
    "an unknown field": (b'{%b, "colour": 1}' % URL, 422),
    "null": (b'{"url": null}', 422),
    "a tenant that is too long": (b'{%b, "tenant": "%b"}' % (URL, b"x" * 256), 422),
    "no secret": (b'{%b, "secret": "whsec_"}' % URL, 422),
    "a header that cannot be sent": (b'{%b, "headers": {"Host": "x"}}' % URL, 422),
    "too many patterns": (b'{%b, "event_types": [%b"a"]}' % (URL, b'"a",' * 600), 422),
    "too large": (b'{%b, "description": "%b"}' % (URL, b"x" * 1_100_000), 413),
}


async def test_a_body_that_cannot_be_used_is_refused_with_the_reason(panel: Panel) -> None:
    async with program(panel) as asking:
        for name, (body, status) in BODIES.items():
            found, problem = await asking.try_to_ask("POST", "/endpoints", body)
            assert (found, problem["status"]) == (status, status), (name, problem)
            assert asking.headers["Content-Type"].startswith("application/problem+json")
            assert problem["detail"]
        assert (await asking.ask("GET", "/endpoints"))["items"] == []
    assert panel.daemon.logged("admin.failed") == []


async def test_what_is_unknown_is_named_with_what_is_known(panel: Panel) -> None:
    async with program(panel) as asking:
        for method, path, body, field, known in (
            ("POST", "/endpoints", b'{%b, "colour": 1}' % URL, "colour", "rate_limit"),
            (
                "POST",
                "/operations",
                b'{"kind": "retry", "filter": {"state": "dead", "x": 1}}',
                "filter.x",
                "reason",
            ),
            ("GET", "/deliveries?colour=1", None, "colour", "status_code"),
            ("GET", "/whoami?colour=1", None, "colour", "takes no query"),
            ("POST", "/endpoints?limit=1", b"{%b}" % URL, "limit", "takes no query"),
        ):
            problem = await asking.ask(method, path, body, status=422)
            (error,) = problem["errors"]
            assert error["field"] == field
            assert known in error["reason"]


QUERIES = (
    *(f"/deliveries?limit={limit}" for limit in ("0", "501", "x", "1.5", "1&limit=2")),
    *(f"/deliveries?since={time}" for time in ("yesterday", "2026-01-01", "0", "9999-01-01T00:00:00Z")),
    *("/deliveries?state=done", "/deliveries?endpoint_id=1", "/deliveries?status_code=99999999999"),
    *("/deliveries?tenant=%00", "/events?ordering_key=" + "x" * 300),
    *("/events?cursor=x", "/events?cursor=" + "a" * 500),
    *(f"/audit?cursor={cursor}" for cursor in ("OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "LTE", "_w")),
    *("/operations?state=odd", "/alerts?active=perhaps"),
)


async def test_a_query_that_cannot_be_used_is_refused(panel: Panel) -> None:
    async with program(panel) as asking:
        for path in QUERIES:
            status, problem = await asking.try_to_ask("GET", path)
            assert (status, problem.get("code")) == (422, "invalid"), path


async def test_ids_that_cannot_be_are_not_there(panel: Panel) -> None:
    async with program(panel) as asking:
        for path in (
            *("/endpoints/1", "/endpoints/%00", "/endpoints/%ff", "/endpoints/..%2f", "/events/x"),
            *("/operations/0", "/operations/99999999999999999999", "/operations/x", "/operations/%D9%A3"),
            "/endpoints/{6f0c0000-0000-4000-8000-000000000000}",
            "/nothing",
        ):
            assert (await asking.ask("GET", path, status=404))["detail"], path


async def test_a_body_has_to_be_announced_as_json(panel: Panel) -> None:
    async with program(panel) as asking:
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            problem = await asking.ask(
                "POST", "/endpoints", b"{%b}" % URL, status=415, headers={"Content-Type": kind}
            )
            assert "application/json" in problem["detail"]
        await asking.ask(
            "POST",
            "/endpoints",
            b"{%b}" % URL,
            status=201,
            headers={"Content-Type": "application/json; charset=utf-8"},
        )


async def test_a_method_that_a_path_does_not_take_is_refused_with_those_that_it_takes(panel: Panel) -> None:
    async with program(panel) as asking:
        await asking.ask("PUT", "/endpoints", {}, status=405)
        assert {"GET", "POST"} <= set(asking.headers["Allow"].split(","))


async def test_payloads_that_postgresql_cannot_store_are_refused_and_odd_ones_are_sent(panel: Panel) -> None:
    async with program(panel) as asking:
        for payload, status in (
            (b"NaN", 422),
            (b'"\\u0000"', 201),
            (b"1" * 1000, 201),
            (b"null", 201),
            (b'{"a": 1, "a": 2}', 201),
        ):
            body = b'{"event_type": "a.b", "payload": ' + payload + b"}"
            await asking.ask("POST", "/events", body, status=status)
        await asking.ask("POST", "/events", {"event_type": "a.b"}, status=422)
    assert panel.daemon.logged("admin.failed") == []


async def test_what_applications_stored_that_is_no_utf8_is_shown_as_it_was_written(panel: Panel) -> None:
    half = '{"a": "\\ud800"}'
    application = panel.world.application
    event_id = await application.insert("1", headers=half, event_type="never.mind")
    endpoint_id = await application.add_endpoint("https://example.com/", metadata=half)
    async with program(panel) as asking:
        assert (await asking.ask_text("GET", f"/events/{event_id}")).count("\\ud800") == 1
        assert (await asking.ask_text("GET", f"/endpoints/{endpoint_id}")).count("\\ud800") == 1
        assert (await asking.ask_text("GET", "/endpoints")).count("\\ud800") == 1
