"""What becomes of a delivery, whatever an endpoint answers or fails to answer."""

import json
import socket
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from tests.support.certificates import make_certificate, server_side
from tests.support.receiver import HANG_UP, SILENCE, After, Receiver, Reply
from tests.support.world import World

PATIENT = {"retry": {"base": "1h", "jitter": 0.0}}
"""So that one attempt is all that a test sees."""


async def add(world: World, reply: Reply, name: str) -> UUID:
    """Add an endpoint that answers like this, for events of its own; returns its id."""
    answers = world.receiver.respond

    world.receiver.respond = lambda request: reply if request.path == f"/{name}" else answers(request)
    return await world.application.add_endpoint(world.receiver.url(f"/{name}"), event_types=[name])


async def one_attempt(world: World, event_id: UUID) -> asyncpg.Record:
    """Return the one row that the delivery log has of an event."""
    await world.application.wait_until("select true from relay.delivery_log where event_id = $1", event_id)
    (row,) = await world.application.log_of(event_id)
    return row


async def test_every_2xx_delivers_whatever_its_body(world: World) -> None:
    replies = {
        "ok": Reply(status=200, body=b"ok"),
        "created": Reply(status=201),
        "no-content": Reply(status=204),
        "last": Reply(status=299, headers=(("webhook-delivery", "abort"),)),
        "large": Reply(status=200, body=b"x" * 1_000_000),
        "short": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", After.CLOSE),
        "endless": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nendless", After.HANG),
        "malformed": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", After.HANG),
        "old": raw(b"HTTP/1.0 200\r\n\r\nold", After.CLOSE),
        "early-hints": raw(
            b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", After.KEEP
        ),
    }
    for name, reply in replies.items():
        await add(world, reply, name)
    ids = {name: await world.application.insert(event_type=name) for name in replies}
    daemon = await world.start(options=["--until-idle"])

    assert await daemon.wait() == 0

    for name, event_id in ids.items():
        row = await one_attempt(world, event_id)
        expected = ("delivered", replies[name].status, None)
        assert (row["outcome"], row["status_code"], row["error_code"]) == expected, name
        assert len(row["response_body"]) <= 16 * 1024
        assert row["duration_ms"] < (5000 if name == "endless" else 1500), name
    assert len(world.receiver.received) == len(replies)


def raw(answer: bytes, after: After) -> Reply:
    """Return a reply of these very bytes, which count as a 200."""
    return Reply(status=200, raw=answer, after=after)


async def test_every_other_status_is_logged_and_tried_again(world: World) -> None:
    statuses = [300, 400, 401, 404, 418, 500, 502, 503, 504, 599]
    for status in statuses:
        await add(world, Reply(status=status, body=b"sorry"), f"s{status}")
    ids = {status: await world.application.insert(event_type=f"s{status}") for status in statuses}
    daemon = await world.start(PATIENT)
    await daemon.wait_for_log("attempt.failed", count=len(statuses))

    for status, event_id in ids.items():
        row = await one_attempt(world, event_id)
        assert (row["outcome"], row["status_code"], row["error_code"]) == ("retrying", status, "status")
        assert row["response_body"] == "sorry"
        (waiting,) = await world.application.status(event_id)
        assert (waiting["state"], waiting["attempts"]) == ("retrying", 1)


async def test_a_redirect_is_logged_and_never_followed(world: World) -> None:
    elsewhere = world.receiver.url("/elsewhere")
    await add(world, Reply(status=302, headers=(("Location", elsewhere),)), "moved")
    event_id = await world.application.insert(event_type="moved")
    daemon = await world.start(PATIENT)
    await daemon.wait_for_log("attempt.failed", event_id=event_id)

    row = await one_attempt(world, event_id)
    assert (row["outcome"], row["status_code"]) == ("retrying", 302)
    assert {name.lower(): value for name, value in json.loads(row["response_headers"]).items()}[
        "location"
    ] == elsewhere
    assert [request.path for request in world.receiver.received] == ["/moved"]


async def test_gone_ends_the_delivery_and_the_others_of_its_endpoint_are_held(world: World) -> None:
    endpoint_id = await add(world, Reply(status=410), "gone")
    daemon = await world.start(PATIENT)
    event_id = await world.application.insert(event_type="gone")
    await daemon.wait_for_log("endpoint.disabled", endpoint_id=endpoint_id, reason="gone")
    later = await world.application.insert(event_type="gone")

    await world.application.wait_for_state(event_id, "dead", reason="gone")
    await world.application.wait_for_state(later, "held", reason="endpoint_disabled")
    (endpoint,) = await world.application.fetch("select state, disabled_reason from relay.endpoint")
    assert tuple(endpoint) == ("disabled", "gone")
    assert len(world.receiver.received) == 1


async def test_a_status_that_is_permanent_ends_the_delivery_and_opens_the_breaker_in_the_end(
    world: World,
) -> None:
    endpoint_id = await add(world, Reply(status=422), "strict")
    daemon = await world.start(
        {"retry": {"permanent_statuses": [422]}, "breaker": {"min_attempts": 3}},
    )
    for _ in range(3):
        event_id = await world.application.insert(event_type="strict")
        await world.application.wait_for_state(event_id, "dead", reason="aborted")

    await daemon.wait_for_log("endpoint.breaker_opened", endpoint_id=endpoint_id)
    assert len(world.receiver.received) == 3


async def test_a_delivered_one_that_is_sent_again_by_hand_gets_one_attempt_and_stays_delivered(
    world: World,
) -> None:
    answers = iter([200, 500, 200])
    world.receiver.respond = lambda _: Reply(status=next(answers))
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start()
    event_id = await world.application.insert()
    await world.application.wait_for_state(event_id, "delivered")

    for number in (2, 3):
        await world.relay("delivery", "retry", f"{event_id}/{endpoint_id}", "-o", "json")
        await world.application.wait_until(
            "select count(*) = $2::int from relay.delivery_log where event_id = $1", event_id, number
        )
        (status,) = await world.application.status(event_id)
        assert status["state"] == "delivered"

    log = await world.application.log_of(event_id)
    assert [(row["trigger_type"], row["status_code"]) for row in log] == [
        ("automatic", 200),
        ("manual", 500),
        ("manual", 200),
    ]
    assert all(row["next_attempt_at"] is None for row in log)
    assert not daemon.logged("delivery.dead")
    assert len(world.receiver.received) == 3


async def test_a_receiver_may_end_a_delivery_and_disable_itself(world: World) -> None:
    abort = await add(world, Reply(status=400, headers=(("webhook-delivery", "abort"),)), "abort")
    disable = await add(world, Reply(status=400, headers=(("Webhook-Delivery", "disable"),)), "disable")
    daemon = await world.start(PATIENT)
    aborted = await world.application.insert(event_type="abort")
    disabled = await world.application.insert(event_type="disable")
    await daemon.wait_for_log("endpoint.disabled", endpoint_id=disable)

    await world.application.wait_for_state(aborted, "dead", reason="aborted")
    await world.application.wait_for_state(disabled, "dead", reason="aborted")
    states = {row["id"]: row["state"] for row in await world.application.fetch("table relay.endpoint")}
    assert states == {abort: "active", disable: "disabled"}


async def test_a_pause_that_an_endpoint_asks_for_is_kept(world: World) -> None:
    await add(world, Reply(status=429, headers=(("Retry-After", "7200"),)), "busy")
    await add(world, Reply(status=429), "curt")
    daemon = await world.start({"retry": {"base": "10ms", "jitter": 0.0}})
    busy = await world.application.insert(event_type="busy")
    curt = await world.application.insert(event_type="curt")
    await daemon.wait_for_log("attempt.failed", count=2)

    for event_id, seconds in ((busy, 7200), (curt, 60)):
        row = await one_attempt(world, event_id)
        ended = row["attempted_at"] + timedelta(milliseconds=row["duration_ms"])
        assert (row["next_attempt_at"] - ended).total_seconds() == pytest.approx(seconds, abs=0.1)


async def test_what_goes_wrong_on_the_way_is_named_and_tried_again(world: World, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        answers = {"hang-up": HANG_UP, "silent": SILENCE, "noise": Reply(raw=b"\x00\xffnoise\r\n\r\n")}
        for name, reply in answers.items():
            await add(world, reply, name)
        await world.application.execute("update relay.endpoint set timeout = '500 ms'")
        async with Receiver(tls=server_side(make_certificate(tmp_path))) as untrusted:
            urls = {
                "refused": f"http://127.0.0.1:{port}/",
                "no-name": "http://relay-test.onion/",
                "tls": untrusted.url(),
            }
            for name, url in urls.items():
                await world.application.add_endpoint(url, event_types=[name])
            ids = {name: await world.application.insert(event_type=name) for name in (*answers, *urls)}
            daemon = await world.start(PATIENT)
            await daemon.wait_for_log("attempt.failed", count=len(ids))
            assert not untrusted.received, "nothing is sent over a connection that was not verified"

    codes = {name: (await one_attempt(world, event_id))["error_code"] for name, event_id in ids.items()}
    assert codes == {
        "hang-up": "reset",
        "silent": "timeout",
        "noise": "protocol",
        "refused": "connect",
        "no-name": "dns",
        "tls": "tls",
    }
    for event_id in ids.values():
        (row,) = await world.application.status(event_id)
        assert (row["state"], row["attempts"], row["last_status_code"]) == ("retrying", 1, None)
        assert row["last_error"]


async def test_an_endpoint_whose_authority_is_in_the_bundle_gets_its_events_over_tls(
    world: World, tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path)
    async with Receiver(tls=server_side(certificate)) as receiver:
        await world.application.add_endpoint(receiver.url())
        event_id = await world.application.insert()
        await world.start({"security": {"ca_bundle": str(certificate), "allow_http": False}})

        request = await receiver.wait_for_event(event_id)

        assert request.header("Host") == f"127.0.0.1:{receiver.port}"


async def test_what_a_stranger_sends_back_can_always_be_stored(world: World) -> None:
    raw = (
        b"HTTP/1.1 500 No\r\nX-Odd: \xfe\xff\r\nX-Spelt: \\u0000\r\nContent-Length: 6\r\n\r\na\x00b\xfe\xff\n"
    )
    await add(world, Reply(status=500, raw=raw), "odd")
    event_id = await world.application.insert(event_type="odd")
    daemon = await world.start(PATIENT)
    await daemon.wait_for_log("attempt.failed", event_id=event_id)

    row = await one_attempt(world, event_id)
    assert (row["status_code"], row["response_body"]) == (500, "a\\x00b\\xfe\\xff\n")
    headers = {name.lower(): value for name, value in json.loads(row["response_headers"]).items()}
    assert headers["x-odd"] == r"\xfe\xff"
    assert headers["x-spelt"] == r"\u0000"
    assert not daemon.logged("attempt.unrecordable")


async def test_an_address_that_may_never_be_called_ends_the_delivery(world: World) -> None:
    refused = [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://[::1]:9/",
        "ftp://127.0.0.1/",
    ]
    for number, url in enumerate(refused):
        await world.application.add_endpoint(url, event_types=[f"n{number}"])
    ids = [await world.application.insert(event_type=f"n{number}") for number in range(len(refused))]
    daemon = await world.start(options=["--until-idle"])
    assert await daemon.wait() == 0

    for event_id in ids:
        await world.application.wait_for_state(event_id, "dead", reason="not_allowed")
        row = await one_attempt(world, event_id)
        assert (row["error_code"], row["status_code"], row["outcome"]) == ("not_allowed", None, "dead")
        assert row["error"]


async def test_an_event_with_headers_that_may_not_be_sent_ends_dead(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    refused = [
        '{"Host": "elsewhere.example"}',
        '{"X-Split": "a\\r\\nX-Evil: b"}',
        '{"X-Number": 1}',
        '{"webhook-id": "x"}',
        '{"X-Lone": "\\ud800"}',
    ]
    ids = [await world.application.insert(headers=headers) for headers in refused]
    neighbour = await world.application.insert()
    daemon = await world.start(options=["--until-idle"])
    assert await daemon.wait() == 0

    for event_id in ids:
        await world.application.wait_for_state(event_id, "dead", reason="not_allowed")
    assert [request.event_id for request in world.receiver.received] == [str(neighbour)]


async def test_a_kept_connection_that_the_server_closed_costs_no_attempt(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url(), max_in_flight=1)
    world.receiver.respond = lambda request: HANG_UP if request.on_connection == 2 else Reply()
    daemon = await world.start(PATIENT)
    await daemon.wait_for_log("delivery.delivered", event_id=await world.application.insert())

    event_id = await world.application.insert()
    await daemon.wait_for_log("delivery.delivered", event_id=event_id)

    lost, sent = world.receiver.of(event_id)
    assert lost.on_connection == 2
    assert (sent.on_connection, sent.attempt) == (1, 1)
    assert set(sent.headers) - set(lost.headers) <= {("Connection", "close")}, "the same attempt"
    assert lost.header("X-Webhook-Signature") == sent.header("X-Webhook-Signature")
    row = await one_attempt(world, event_id)
    assert (row["attempt"], row["outcome"]) == (1, "delivered")


async def test_a_connection_that_breaks_after_the_answer_began_is_an_attempt(world: World) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Le"
    world.receiver.respond = lambda request: (
        Reply(status=None, raw=raw, after=After.CLOSE) if request.on_connection == 2 else Reply()
    )
    await world.application.add_endpoint(world.receiver.url(), max_in_flight=1)
    daemon = await world.start(PATIENT)
    await daemon.wait_for_log("delivery.delivered", event_id=await world.application.insert())

    event_id = await world.application.insert()
    await daemon.wait_for_log("attempt.failed", event_id=event_id)

    assert len(world.receiver.of(event_id)) == 1
