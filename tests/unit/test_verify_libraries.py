"""What independent libraries sign, verify() accepts; what it accepts, they accept; what Relay signs, all accept."""

import json
import time
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
import standardwebhooks
import stripe
from hypothesis import given
from hypothesis import strategies as st
from svix.webhooks import Webhook as SvixWebhook

from relay.http.signature import SignatureFormat, parse_secret, sign
from relay.receiver import VerificationError, verify

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
ID = "evt_1"
BODY = '{"id":42,"note":"caf\u00e9 \u2713"}'

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
).map(lambda value: json.dumps(value, ensure_ascii=False))


def of_standard_webhooks(secret: str, timestamp: int, body: str) -> str:
    return standardwebhooks.Webhook(secret).sign(ID, datetime.fromtimestamp(timestamp, UTC), body)


def of_svix(secret: str, timestamp: int, body: str) -> str:
    return SvixWebhook(secret).sign(ID, datetime.fromtimestamp(timestamp, UTC), body)


def of_stripe(secret: str, timestamp: int, body: str) -> str:
    signature = stripe.WebhookSignature._compute_signature(f"{timestamp}.{body}", secret)
    return f"t={timestamp},v1={signature}"


def standard_headers(timestamp: object, signature: str) -> dict[str, str]:
    return {"webhook-id": ID, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def x_webhook_headers(signature: str) -> dict[str, str]:
    return {"X-Webhook-Id": ID, "X-Webhook-Signature": signature}


def is_accepted(headers: dict[str, str], fmt: Literal["standard", "x-webhook"], body: str = BODY) -> bool:
    try:
        verify(body.encode(), headers, SECRET, fmt)
    except VerificationError:
        return False
    return True


def standard_webhooks_accepts(headers: dict[str, str], body: str = BODY) -> bool:
    try:
        standardwebhooks.Webhook(SECRET).verify(body, headers)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def svix_accepts(headers: dict[str, str], body: str = BODY) -> bool:
    try:
        SvixWebhook(SECRET).verify(body.encode(), headers)
    except Exception:  # noqa: BLE001 - it raises what its parts raise
        return False
    return True


def stripe_accepts(header: str, body: str = BODY) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, SECRET, 300)
    except stripe.SignatureVerificationError:
        return False
    return True


@given(body=st.text(max_size=100), age=st.integers(-250, 250))
def test_it_accepts_what_each_library_signs(body: str, age: int) -> None:
    moment = int(time.time()) - age
    for signature in (of_standard_webhooks(SECRET, moment, body), of_svix(SECRET, moment, body)):
        assert is_accepted(standard_headers(moment, signature), "standard", body)
    assert is_accepted(x_webhook_headers(of_stripe(SECRET, moment, body)), "x-webhook", body)


def test_it_refuses_what_each_library_signs_with_another_secret() -> None:
    moment = int(time.time())
    for signature in (of_standard_webhooks(OTHER, moment, BODY), of_svix(OTHER, moment, BODY)):
        assert not is_accepted(standard_headers(moment, signature), "standard")
    assert not is_accepted(x_webhook_headers(of_stripe(OTHER, moment, BODY)), "x-webhook")


@given(body=JSON, others=st.sampled_from([[], [OTHER]]))
def test_each_library_and_it_accept_what_relay_signs(body: str, others: list[str]) -> None:
    keys = [parse_secret(text) for text in [*others, SECRET]]
    headers = dict(sign(ID, int(time.time()), body.encode(), keys, SignatureFormat.BOTH))
    headers["X-Webhook-Id"] = ID
    assert is_accepted(headers, "standard", body)
    assert is_accepted(headers, "x-webhook", body)
    assert standard_webhooks_accepts(headers, body)
    assert svix_accepts(headers, body)
    assert stripe_accepts(headers["X-Webhook-Signature"], body)


# Signatures that are no base64 are left out: there the libraries give up even if another one is right.
STANDARD_PARTS = st.sampled_from(["right", "v1,AAAA", "v1a,AAAA", "v1", "v2,x", "", "v1,é"])
TIMES = st.sampled_from([0, 0, 0, 200, -200, 400, -400, 10**6])
SHAPES = st.sampled_from(["{}", "{}", "{}", "{}.0", " {}", "+{}", "0{}", "{}x", ""])


@given(parts=st.lists(STANDARD_PARTS, max_size=4), age=TIMES, shape=SHAPES, separator=st.sampled_from(" ,;"))
def test_it_accepts_no_standard_header_that_the_libraries_refuse(
    parts: list[str], age: int, shape: str, separator: str
) -> None:
    moment = int(time.time()) - age
    right = of_standard_webhooks(SECRET, moment, BODY)
    signature = separator.join(right if part == "right" else part for part in parts)
    headers = standard_headers(shape.format(moment), signature)
    if is_accepted(headers, "standard"):
        assert standard_webhooks_accepts(headers)
        assert svix_accepts(headers)
        assert "right" in parts


X_WEBHOOK_PARTS = st.sampled_from(
    ["t", "t", "right", "right", "v1=00", "v0=00", "v1", "", "t=1", "v1=é", " t"]
)


@given(
    parts=st.lists(X_WEBHOOK_PARTS, max_size=5), age=TIMES, shape=SHAPES, separator=st.sampled_from(",,; ")
)
def test_it_accepts_no_x_webhook_header_that_stripe_refuses(
    parts: list[str], age: int, shape: str, separator: str
) -> None:
    moment = int(time.time()) - age
    time_part, right = of_stripe(SECRET, moment, BODY).split(",")
    filled = {"t": shape.format(time_part), "right": right}
    header = separator.join(filled.get(part, part) for part in parts)
    if is_accepted(x_webhook_headers(header), "x-webhook"):
        assert stripe_accepts(header)
        assert {"t", "right"} <= {*parts}


@pytest.mark.parametrize("signer", [of_standard_webhooks, of_svix])
@pytest.mark.parametrize("spoil", ["id", "timestamp", "body", "signature"])
def test_the_libraries_and_it_refuse_the_same_changes(signer: Any, spoil: str) -> None:
    moment = int(time.time())
    headers = standard_headers(moment, signer(SECRET, moment, BODY))
    body = BODY + " " if spoil == "body" else BODY
    changed = {"id": "evt_2", "timestamp": str(moment - 1), "signature": "v1," + "A" * 43 + "="}
    if spoil in changed:
        headers[f"webhook-{spoil}"] = changed[spoil]
    assert not is_accepted(headers, "standard", body)
    assert not standard_webhooks_accepts(headers, body)
    assert not svix_accepts(headers, body)
