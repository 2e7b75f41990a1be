"""verify() against those who try: every character counts, no comparison ends early, nothing costs much."""

import base64
import hmac
import time
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.receiver import VerificationError, Verified, verify
from tests.fuzz import target

NOW = target.NOW
SECRET = target.SECRET
OTHER = target.OTHER
BODY = b'{"a":1}'
STANDARD = "v1,HI38AsKPx8rrZ/X/m5Bh095DsC88VAletNrtpK3Qn0c="
X_WEBHOOK = f"t={NOW},v1=d4635de2eff4f0c5adabaaab69f3ed3c8aba3c9abbbaa432429a2ff5fd83d0e2"
HEADERS = {"webhook-id": "evt_1", "webhook-timestamp": str(NOW), "webhook-signature": STANDARD}
X_HEADERS = {"X-Webhook-Id": "evt_1", "X-Webhook-Signature": X_WEBHOOK}
Format = Literal["standard", "x-webhook", "any"]
REQUESTS: dict[Format, dict[str, str]] = {"standard": HEADERS, "x-webhook": X_HEADERS}


def refusal(headers: Any, fmt: Format = "standard", body: bytes = BODY) -> VerificationError:
    with pytest.raises(VerificationError) as refused:
        verify(body, headers, SECRET, fmt, now=NOW)
    return refused.value


SIGNED = [
    ("standard", "webhook-id"),
    ("standard", "webhook-timestamp"),
    ("standard", "webhook-signature"),
    ("x-webhook", "X-Webhook-Signature"),
]


@pytest.mark.parametrize(("fmt", "name"), SIGNED)
@pytest.mark.parametrize("other", ["0", "A", "=", ",", " ", "\0", "\u0660", ""], ids=ascii)
def test_a_change_of_any_one_character_is_refused(fmt: Format, name: str, other: str) -> None:
    headers = REQUESTS[fmt]
    assert verify(BODY, headers, SECRET, fmt, now=NOW).event_id == "evt_1"
    value = headers[name]
    for place in range(len(value)):
        changed = value[:place] + other + value[place + 1 :]
        if changed != value:
            assert refusal({**headers, name: changed}, fmt).reason in target.REASONS


@pytest.mark.parametrize("fmt", ["standard", "x-webhook"])
def test_a_change_of_any_one_bit_of_the_body_is_refused(fmt: Format) -> None:
    for place in range(len(BODY) * 8):
        changed = bytearray(BODY)
        changed[place // 8] ^= 1 << place % 8
        assert refusal(REQUESTS[fmt], fmt, bytes(changed)).reason == "signature_mismatch"


@pytest.mark.parametrize(
    "value",
    ["", " ", "evt 1", "evt.1", "evt_1\n", "evt\0", "évt", "\ud800", "x" * 256, "x" * 10**6, None, 1, b"\xff", ["x"]],
    ids=lambda value: ascii(value)[:20],
)  # fmt: skip
def test_an_id_of_the_x_webhook_format_is_checked_as_the_other_is(value: Any) -> None:
    assert refusal({**X_HEADERS, "X-Webhook-Id": value}, "x-webhook").reason == "invalid_header"
    assert refusal({**HEADERS, "webhook-id": value}).reason == "invalid_header"


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-id": "evt_1", "Webhook-Id": "evt_1"},
        {"webhook-signature": STANDARD, b"webhook-signature": STANDARD.encode()},
        {"webhook-timestamp": str(NOW), "WEBHOOK-TIMESTAMP": str(NOW + 1)},
    ],
    ids=ascii,
)
def test_a_mapping_with_one_header_in_two_spellings_is_refused(headers: Any) -> None:
    assert refusal({**HEADERS, **headers}).reason == "duplicate_header"


@pytest.mark.parametrize("place", [0, 1, 4])
@pytest.mark.parametrize("fmt", ["standard", "x-webhook"])
def test_every_signature_is_compared_with_every_secret_wherever_the_right_one_stands(
    monkeypatch: pytest.MonkeyPatch, fmt: Format, place: int
) -> None:
    compared = []

    def count(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return left == right

    monkeypatch.setattr("hmac.compare_digest", count)
    right = STANDARD if fmt == "standard" else X_WEBHOOK.partition(",")[2]
    signatures = ["v1,AAAA" if fmt == "standard" else "v1=00"] * 4
    signatures.insert(place, right)
    headers = (
        {**HEADERS, "webhook-signature": " ".join(signatures)}
        if fmt == "standard"
        else {**X_HEADERS, "X-Webhook-Signature": ",".join([f"t={NOW}", *signatures])}
    )
    for secrets in ([SECRET, OTHER], [OTHER, SECRET]):
        compared.clear()
        assert verify(BODY, headers, secrets, fmt, now=NOW).event_id == "evt_1"
        assert len(compared) == 10


def test_what_it_says_when_it_refuses_helps_nobody_to_forge() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    right = base64.b64encode(hmac.digest(key, b"evt_2.%d." % NOW + BODY, "sha256")).decode()
    error = refusal({**HEADERS, "webhook-id": "evt_2"})
    for shown in (str(error), repr(error), repr(error.__context__)):
        assert right not in shown
        assert SECRET[6:20] not in shown


HUGE = 10**7


@pytest.mark.parametrize(
    "heavy",
    [
        {"webhook-signature": "v1," + "A" * HUGE},
        {"webhook-signature": b"v1," + b"A" * HUGE},
        {"webhook-signature": "v1,A " * (HUGE // 5)},
        {"webhook-signature": "é" * HUGE},
        {"webhook-timestamp": "9" * HUGE},
        {"webhook-id": "e" * HUGE},
        {"x" * HUGE: "y"},
        {b"x" * HUGE: b"y"},
        {"accept": "y" * HUGE},
    ],
    ids=lambda heavy: ascii(next(iter(heavy.items())))[:40],
)
def test_no_header_costs_by_its_length(heavy: Any) -> None:
    headers = {**HEADERS, **heavy, "webhook-id": heavy.get("webhook-id", "evt.1")}
    began = time.process_time()
    for _ in range(1000):
        with pytest.raises(VerificationError):
            verify(BODY, headers, SECRET, now=NOW)
    assert time.process_time() - began < 0.2


@pytest.mark.parametrize("now", [10**400, -(10**400), float("-inf")], ids=str)
def test_a_clock_of_any_size_is_judged_or_is_the_programmers_error(now: float) -> None:
    with pytest.raises((VerificationError, ValueError)):
        verify(BODY, HEADERS, SECRET, now=now)


SEEDS = [
    b"\0\0\0\x0c\5evt_1\x0d\n1760000000\x0e\4v1,\1\0body",
    b"\1\0\0\x0f\5evt_1\x10\x12t=1760000000,v1=00\0body",
    b"\1\1\0\x0f\5evt_1\x10\x11t=1760000000,v1=\1\0body",
]


@example(SEEDS[0])
@example(SEEDS[1])
@example(SEEDS[2])
@given(st.binary(max_size=200))
def test_any_bytes_make_a_request_that_is_refused_or_was_signed(data: bytes) -> None:
    assert target.check(data) in {True, False}


def test_the_target_of_the_fuzzer_reaches_both_formats() -> None:
    assert [target.check(seed) for seed in SEEDS] == [True, False, True]


def test_the_target_of_the_fuzzer_notices_a_check_that_accepts_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def accept(*_: object, **__: object) -> Verified:
        return Verified(event_id="evt_1", timestamp=NOW, format="x-webhook")

    monkeypatch.setattr(target, "verify", accept)
    with pytest.raises(AssertionError):
        target.check(SEEDS[1])


def test_the_target_of_the_fuzzer_notices_a_reason_that_is_not_documented(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> Verified:
        raise VerificationError("bad_luck", "a message")

    monkeypatch.setattr(target, "verify", refuse)
    with pytest.raises(AssertionError):
        target.check(SEEDS[1])


def test_the_reasons_that_are_documented_are_those_that_the_target_knows() -> None:
    text = VerificationError.__doc__ or ""
    assert {reason for reason in target.REASONS if f"`{reason}`" in text} == target.REASONS
    assert text.count("`") == 2 * len(target.REASONS)
