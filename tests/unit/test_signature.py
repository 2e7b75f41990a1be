import base64
import hmac
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import stripe
from hypothesis import given
from hypothesis import strategies as st
from svix.webhooks import Webhook as SvixWebhook

from relay.http.signature import (
    HmacKey,
    InvalidSecret,
    Secret,
    SignatureFormat,
    generate_secret,
    parse_secret,
    sign,
)
from tests.support.signed_requests import verify_like_a_home_made_receiver

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "signatures.json").read_text())
BODY = b'{"id": 42, "note": "caf\xc3\xa9"}'
OLD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
NEW = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="


def signed(*secrets: str, body: bytes = BODY, fmt: SignatureFormat = SignatureFormat.BOTH) -> dict[str, str]:
    return dict(sign("evt_1", int(time.time()), body, [parse_secret(text) for text in secrets], fmt))


@pytest.mark.parametrize("vector", VECTORS["hmac"], ids=lambda vector: vector["name"])
def test_signs_like_three_independent_libraries(vector: dict[str, Any]) -> None:
    headers = sign(
        vector["id"],
        vector["timestamp"],
        vector["body_utf8"].encode(),
        [parse_secret(vector["secret"])],
        SignatureFormat.BOTH,
    )
    assert headers == [
        ("X-Webhook-Signature", vector["stripe_style"]),
        ("webhook-id", vector["id"]),
        ("webhook-timestamp", str(vector["timestamp"])),
        ("webhook-signature", vector["standard_webhooks"]),
    ]


def test_a_rotation_signs_with_the_current_secret_first() -> None:
    vector = VECTORS["rotation"]
    secrets = [parse_secret(text) for text in vector["secrets"]]
    headers = dict(
        sign(
            vector["id"],
            vector["timestamp"],
            vector["body_utf8"].encode(),
            secrets,
            SignatureFormat.BOTH,
        )
    )
    assert headers["webhook-signature"] == vector["webhook_signature"]
    assert headers["X-Webhook-Signature"] == vector["x_webhook_signature"]


@pytest.mark.parametrize(
    ("fmt", "names"),
    [
        ("x-webhook", ["X-Webhook-Signature"]),
        ("standard", ["webhook-id", "webhook-timestamp", "webhook-signature"]),
        ("both", ["X-Webhook-Signature", "webhook-id", "webhook-timestamp", "webhook-signature"]),
    ],
)
def test_a_format_gives_its_headers_and_no_others(fmt: str, names: list[str]) -> None:
    headers = sign("evt_1", 1760000000, BODY, [parse_secret(OLD)], SignatureFormat(fmt))
    assert [name for name, _ in headers] == names


def test_nothing_is_signed_without_a_secret() -> None:
    with pytest.raises(ValueError, match="no secret"):
        sign("evt_1", 1760000000, BODY, [], SignatureFormat.BOTH)


@pytest.mark.parametrize("secrets", [(OLD,), (NEW, OLD), (OLD, NEW)])
def test_standardwebhooks_and_svix_accept_it(secrets: tuple[str, ...]) -> None:
    headers = signed(*secrets)
    assert standardwebhooks.Webhook(OLD).verify(BODY, headers) == json.loads(BODY)
    SvixWebhook(OLD).verify(BODY, headers)


@pytest.mark.parametrize("secrets", [(OLD,), (NEW, OLD), (OLD, NEW)])
def test_stripe_accepts_it(secrets: tuple[str, ...]) -> None:
    header = signed(*secrets)["X-Webhook-Signature"]
    assert stripe.WebhookSignature.verify_header(BODY.decode(), header, OLD, 300)


def test_the_libraries_refuse_another_secret_and_another_body() -> None:
    headers = signed(NEW)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OLD).verify(BODY, headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(NEW).verify(BODY + b" ", headers)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(BODY.decode(), headers["X-Webhook-Signature"], OLD, 300)


def test_it_signs_what_standardwebhooks_signs() -> None:
    moment = datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)
    theirs = standardwebhooks.Webhook(OLD).sign("evt_1", moment, BODY.decode())
    ours = dict(sign("evt_1", 1760000000, BODY, [parse_secret(OLD)], SignatureFormat.STANDARD))
    assert ours["webhook-signature"] == theirs


def test_a_receiver_that_keeps_one_signature_accepts_one_secret() -> None:
    assert verify_like_a_home_made_receiver(BODY, signed(NEW)["X-Webhook-Signature"], NEW)


def test_a_receiver_that_keeps_one_signature_needs_a_rotation_without_overlap() -> None:
    header = signed(NEW, OLD)["X-Webhook-Signature"]
    assert not verify_like_a_home_made_receiver(BODY, header, NEW)
    assert verify_like_a_home_made_receiver(BODY, header, OLD)


@given(body=st.binary(max_size=200), timestamp=st.integers(0, 2**40))
def test_any_bytes_are_signed_as_the_contract_says(body: bytes, timestamp: int) -> None:
    headers = dict(sign("evt_1", timestamp, body, [parse_secret(OLD)], SignatureFormat.BOTH))
    text = str(timestamp).encode()
    key = base64.b64decode(OLD.removeprefix("whsec_"))
    hexadecimal = hmac.new(OLD.encode(), text + b"." + body, "sha256").hexdigest()
    standard = base64.b64encode(hmac.digest(key, b"evt_1." + text + b"." + body, "sha256")).decode()
    assert headers["X-Webhook-Signature"] == f"t={timestamp},v1={hexadecimal}"
    assert headers["webhook-signature"] == f"v1,{standard}"


def test_a_generated_secret_is_new_each_time_and_holds_32_bytes() -> None:
    texts = {generate_secret() for _ in range(100)}
    assert len(texts) == 100
    assert all(len(base64.b64decode(text.removeprefix("whsec_"))) == 32 for text in texts)


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_of_24_to_64_bytes_is_taken(key: bytes) -> None:
    text = "whsec_" + base64.b64encode(key).decode()
    secret = parse_secret(text)
    assert secret.text == text
    assert secret.x_webhook.sign(b"head", b"body").digest() == hmac.digest(
        text.encode(), b"headbody", "sha256"
    )
    assert secret.standard.sign(b"head", b"body").digest() == hmac.digest(key, b"headbody", "sha256")


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=200))
def test_a_prepared_key_signs_as_the_standard_library_does(key: bytes, head: bytes, body: bytes) -> None:
    prepared = HmacKey(key)
    for _ in range(2):
        assert prepared.sign(head, body).digest() == hmac.digest(key, head + body, "sha256")


def encoded(size: int) -> str:
    return base64.b64encode(b"\xfb" * size).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        encoded(32),
        "WHSEC_" + encoded(32),
        "whsk_" + encoded(32),
        " whsec_" + encoded(32),
        "whsec_" + encoded(32) + "\n",
        "whsec_" + encoded(32) + " ",
        "whsec_" + encoded(23),
        "whsec_" + encoded(65),
        "whsec_" + encoded(32).rstrip("="),
        "whsec_" + encoded(33) + "=",
        "whsec_" + encoded(32).replace("/", "_").replace("+", "-"),
        "whsec_" + encoded(32)[:20] + "\n" + encoded(32)[20:],
        "whsec_" + "A" * 42 + "B=",
        "whsec_" + "é" * 44,
        "whsec_" + "\ud800" * 44,
        "whsec_" + "-" * 44,
    ],
    ids=ascii,
)
def test_anything_else_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidSecret) as refused:
        parse_secret(text)
    shown = f"{refused.value!r} {refused.value.__context__!r}"
    assert text.removeprefix("whsec_")[:20] not in shown or len(text) < 10


def test_a_secret_hides_itself_in_logs() -> None:
    secret = parse_secret(OLD)
    for shown in (repr(secret), str(secret), f"{secret}", repr([secret])):
        assert OLD not in shown
        assert OLD.removeprefix("whsec_")[:8] not in shown
        assert "hidden" in shown
    assert isinstance(secret, Secret)
