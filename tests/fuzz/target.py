"""What must hold of verify() for any bytes whatever; the bytes say which request is made of them.

`check()` is called by `make fuzz` with what atheris makes up, and by the unit tests with what Hypothesis does.
"""

import base64
import hmac
import re
from collections.abc import Iterable
from typing import Any, Literal

from relay.receiver.verify import VerificationError, verify

Format = Literal["standard", "x-webhook", "any"]

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
NOW = 1760000000
REASONS = {
    "invalid_secret",
    "invalid_body",
    "invalid_headers",
    "missing_header",
    "duplicate_header",
    "invalid_header",
    "too_many_signatures",
    "no_signature",
    "timestamp_too_old",
    "timestamp_too_new",
    "signature_mismatch",
}
NAMES: tuple[Any, ...] = (
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "X-Webhook-Id",
    "X-Webhook-Signature",
    "WEBHOOK-ID",
    b"webhook-signature",
    "accept",
    b"\xff",
    "",
    None,
    7,
)
FORMATS: tuple[Format, ...] = ("standard", "x-webhook", "any")
SECRETS: tuple[Any, ...] = (SECRET, [OTHER, SECRET], OTHER, "", [], None, SECRET.encode(), [SECRET] * 21)
RIGHT = 1
"""This byte of a header's value stands for a right signature, NUL and others for themselves."""


def check(data: bytes) -> bool:
    """Verify the request that `data` describes, and tell whether it was accepted.

    Layout: format, secrets, what holds the headers, then headers as name, length and value, then the body.

    Raises:
        AssertionError: It was accepted though nothing in it is a right signature, or refused without a
            reason that is documented.
        Exception: Whatever else verify() raised, which it must not.
    """
    settings, rest = data[:3].ljust(3, b"\0"), data[3:]
    pairs, body = _pairs_and_body(rest)
    secrets = SECRETS[settings[1] % len(SECRETS)]
    filled = [(name, _filled(value, pairs, body)) for name, value in pairs]
    try:
        verified = verify(body, _held(filled, settings[2]), secrets, FORMATS[settings[0] % 3], now=NOW)
    except VerificationError as refused:
        _check_refusal(refused)
        return False
    assert _is_signed(filled, body, verified.event_id, verified.timestamp, verified.format)
    return True


def _check_refusal(refused: VerificationError) -> None:
    assert refused.reason in REASONS
    assert SECRET[6:20] not in str(refused)


def _pairs_and_body(data: bytes) -> tuple[list[tuple[Any, Any]], bytes]:
    """Return the headers that `data` describes, and what is left; a name byte of 0 ends the headers."""
    pairs: list[tuple[Any, Any]] = []
    while len(data) > 1 and data[0]:
        name, length, data = NAMES[data[0] % len(NAMES)], data[1], data[2:]
        pairs.append((name, data[:length]))
        data = data[length:]
    return pairs, data[1:]


def _filled(value: bytes, pairs: list[tuple[Any, Any]], body: bytes) -> Any:
    """Put a right signature where the value has the mark; every other value comes as text, as from a server."""
    if RIGHT not in value:
        return value if value[:1] == b"\2" else value.decode("latin-1")
    event_id = _last(pairs, "webhook-id")
    timestamp = _last(pairs, "webhook-timestamp")
    standard, x_webhook = _right(event_id, timestamp or str(NOW).encode(), body)
    return value.replace(bytes([RIGHT]), x_webhook if b"=" in value else standard).decode("latin-1")


def _last(pairs: list[tuple[Any, Any]], wanted: str) -> bytes:
    values: list[bytes] = [value for name, value in pairs if name == wanted]
    return values[-1] if values else b""


def _right(event_id: bytes, timestamp: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Sign by the words of the contract, without the product's code."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    standard = base64.b64encode(hmac.digest(key, event_id + b"." + timestamp + b"." + body, "sha256"))
    return standard, hmac.new(SECRET.encode(), timestamp + b"." + body, "sha256").hexdigest().encode()


def _held(pairs: list[tuple[Any, Any]], kind: int) -> Any:
    held: Any = (
        pairs,
        dict(pairs),
        iter(pairs),
        tuple(pairs),
        [list(pair) for pair in pairs],
        None,
        pairs * 300,
    )
    return held[kind % len(held)]


def _is_signed(
    pairs: Iterable[tuple[Any, Any]], body: bytes, event_id: str, timestamp: int, fmt: str
) -> bool:
    standard, x_webhook = _right(event_id.encode(), str(timestamp).encode(), body)
    right, name = (standard, "webhook-signature") if fmt == "standard" else (x_webhook, "x-webhook-signature")
    tokens = [
        token
        for header, value in pairs
        if _text(header).lower() == name
        for token in re.split("[ ,=]" if fmt == "x-webhook" else "[ ,]", _text(value))
    ]
    return right.decode() in tokens and abs(timestamp - NOW) <= 300


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
