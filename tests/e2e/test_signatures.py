"""What the running daemon sends, taken from the socket, is verified by libraries that are not ours."""

import hashlib
import hmac
import time

import pytest
import standardwebhooks
import stripe
from svix.webhooks import Webhook as SvixWebhook

from relay.http.signature import generate_secret
from relay.receiver import VerificationError, verify
from tests.support.application import SECRET
from tests.support.receiver import Received, Reply
from tests.support.world import World

PAYLOADS = [
    '{ "a" :  1 ,\n\t"b":2 }',
    "  [1, 2,\r\n 3]  \n",
    '{"name": "Zażółć ☃ 😀", "escaped": "\\u00e9"}',
    '{"nul": "\\u0000", "lone": "\\ud800"}',
    '{"a": 1, "a": 2}',
    '{"huge": 1e999, "precise": 0.1000000000000000055511151231257827}',
    '"just a text"',
    "null",
]


def home_made(body: bytes, header: str, secret: str, *, tolerance: int = 300) -> bool:
    """Verify as receivers do that somebody wrote in an afternoon: of several v1 only the last is kept."""
    parts = dict(part.split("=", 1) for part in header.split(","))
    signed = parts["t"].encode() + b"." + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return abs(time.time() - int(parts["t"])) <= tolerance and hmac.compare_digest(expected, parts["v1"])


def assert_everyone_verifies(request: Received, secret: str = SECRET) -> None:
    header = request.header("X-Webhook-Signature")
    headers = dict(request.headers)
    text = request.body.decode()
    assert stripe.WebhookSignature.verify_header(text, header, secret, tolerance=300)
    standardwebhooks.Webhook(secret).verify(request.body, headers, json_parse=False)
    SvixWebhook(secret).verify(request.body, headers)
    assert verify(request.body, request.headers, secret, "standard").event_id == request.event_id
    assert verify(request.body, request.headers, secret, "x-webhook").event_id == request.event_id
    assert home_made(request.body, header, secret)


async def test_every_payload_arrives_byte_for_byte_and_verifies_everywhere(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    ids = [await world.application.insert(payload) for payload in PAYLOADS]
    ids.append(await world.application.insert(None, body="a;b\r\n☃;2".encode(), content_type="text/csv"))
    await world.start()

    await world.receiver.wait_for_requests(len(ids))

    expected = [*(payload.encode() for payload in PAYLOADS), "a;b\r\n☃;2".encode()]
    for event_id, body in zip(ids, expected, strict=True):
        (request,) = world.receiver.of(event_id)
        assert request.body == body
        assert_everyone_verifies(request)
    assert world.receiver.of(ids[-1])[0].header("Content-Type") == "text/csv"


async def test_a_body_that_is_no_text_arrives_as_it_is(world: World) -> None:
    body = bytes(range(256)) * 40
    await world.application.add_endpoint(world.receiver.url())
    event_id = await world.application.insert(None, body=body)
    await world.start()

    request = await world.receiver.wait_for_event(event_id)

    assert request.body == body
    assert request.header("Content-Type") == "application/octet-stream"
    assert home_made(body, request.header("X-Webhook-Signature"), SECRET)
    assert verify(body, request.headers, SECRET).event_id == str(event_id)


async def test_the_head_of_a_request_is_as_documented(world: World) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await world.application.add_endpoint(
        world.receiver.url("/hook/a%20b?x=1&y=%2F"), headers='{"X-Tenant-Key": "abc"}'
    )
    event_id = await world.application.insert(
        '{"n": 1}', sequence=7, headers='{"X-Region": "eu"}', traceparent=trace
    )
    await world.start()

    request = await world.receiver.wait_for_event(event_id)

    assert request.request_line == "POST /hook/a%20b?x=1&y=%2F HTTP/1.1"
    names = [name for name, _ in request.headers]
    wanted = [
        "Host",
        "User-Agent",
        "Content-Type",
        "X-Webhook-Id",
        "X-Webhook-Signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "X-Webhook-Event",
        "X-Webhook-Attempt",
        "X-Webhook-Sequence",
        "traceparent",
        "X-Tenant-Key",
        "X-Region",
        "Content-Length",
    ]
    assert names == wanted, "exactly these, each once, and so no Transfer-Encoding and no Accept-Encoding"
    values = dict(request.headers)
    stamp = values["webhook-timestamp"]
    assert values == {
        "Host": f"127.0.0.1:{world.receiver.port}",
        "User-Agent": values["User-Agent"],
        "Content-Type": "application/json",
        "X-Webhook-Id": str(event_id),
        "X-Webhook-Signature": values["X-Webhook-Signature"],
        "webhook-id": str(event_id),
        "webhook-timestamp": stamp,
        "webhook-signature": values["webhook-signature"],
        "X-Webhook-Event": "invoice.paid",
        "X-Webhook-Attempt": "1",
        "X-Webhook-Sequence": "7",
        "traceparent": trace,
        "X-Tenant-Key": "abc",
        "X-Region": "eu",
        "Content-Length": "8",
    }
    assert values["User-Agent"].startswith("Relay/")
    assert values["X-Webhook-Signature"].startswith(f"t={stamp},v1=")
    assert abs(int(stamp) - request.wall) <= 2


@pytest.mark.parametrize(
    ("form", "present", "absent"),
    [
        ("x-webhook", {"x-webhook-signature"}, {"webhook-id", "webhook-timestamp", "webhook-signature"}),
        ("standard", {"webhook-id", "webhook-timestamp", "webhook-signature"}, {"x-webhook-signature"}),
    ],
)
async def test_an_endpoint_gets_only_the_format_that_it_asked_for(
    world: World, form: str, present: set[str], absent: set[str]
) -> None:
    await world.application.add_endpoint(world.receiver.url(), signature=form)
    event_id = await world.application.insert()
    await world.start()

    request = await world.receiver.wait_for_event(event_id)

    names = {name.lower() for name, _ in request.headers}
    assert present <= names
    assert not absent & names
    assert verify(request.body, request.headers, SECRET, "any").format == form


async def test_during_a_rotation_both_secrets_verify_and_the_current_one_comes_first(world: World) -> None:
    old, new = generate_secret(), generate_secret()
    await world.application.add_endpoint(world.receiver.url(), secrets=[old, new])
    event_id = await world.application.insert()
    await world.start()

    request = await world.receiver.wait_for_event(event_id)

    header = request.header("X-Webhook-Signature")
    for secret in (old, new):
        assert stripe.WebhookSignature.verify_header(request.body.decode(), header, secret, tolerance=300)
        SvixWebhook(secret).verify(request.body, dict(request.headers))
    assert not home_made(request.body, header, new), "it keeps the last v1 only"
    assert home_made(request.body, header, old)


async def test_after_a_rotation_without_overlap_the_old_secret_signs_nothing_more(world: World) -> None:
    old, new = generate_secret(), generate_secret()
    endpoint_id = await world.application.add_endpoint(world.receiver.url(), secrets=[old])
    daemon = await world.start()
    first = await world.application.insert()
    await daemon.wait_for_log("delivery.delivered", event_id=first)

    await world.application.execute(
        "with gone as (delete from relay.endpoint_secret where endpoint_id = $1)"
        " insert into relay.endpoint_secret (endpoint_id, sealed) values ($1, $2)",
        endpoint_id,
        new.encode(),
    )
    request = await world.receiver.wait_for_event(await world.application.insert())

    assert home_made(request.body, request.header("X-Webhook-Signature"), new)
    with pytest.raises(VerificationError):
        verify(request.body, request.headers, old)


async def test_every_attempt_is_signed_afresh_with_the_same_id_and_the_same_bytes(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    world.receiver.script[None, 1] = Reply(status=500)
    event_id = await world.application.insert('{"a":  1}')
    await world.start({"retry": {"base": "1100ms", "jitter": 0.0}})

    second = await world.receiver.wait_for_event(event_id, count=2)

    first = world.receiver.of(event_id)[0]
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.body == second.body == b'{"a":  1}'
    assert int(second.header("webhook-timestamp")) > int(first.header("webhook-timestamp"))
    assert_everyone_verifies(first)
    assert_everyone_verifies(second)
