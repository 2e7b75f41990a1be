"""Verify the signature of a webhook. Needs only the standard library; this one file may be copied.

    from relay.receiver import VerificationError, verify

    try:
        verified = verify(raw_body, request_headers, "whsec_...")
    except VerificationError as error:
        return 401, error.reason
    if already_seen(verified.event_id): ...

Pass the body as the bytes that came over the wire, before any parsing: a JSON document that was read and
written again has another signature.
"""

import base64
import binascii
import hmac
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["VerificationError", "Verified", "verify"]

MAX_HEADERS = 1000
MAX_NAME_LENGTH = 32
MAX_HEADER_LENGTH = 4096
MAX_SIGNATURES = 20
MAX_SECRETS = 20

_WANTED = frozenset(
    {"webhook-id", "webhook-timestamp", "webhook-signature", "x-webhook-id", "x-webhook-signature"}
)
# No full stop in an id: the signed text is {id}.{timestamp}.{body}, and its parts must not be able to shift.
_EVENT_ID = re.compile(r"[!-\-/-~]{1,255}")
_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,11}")
_SIGNATURE = re.compile(r"[!-+\--~]{1,200}")
_SECRET = re.compile(r"whsec_([A-Za-z0-9+/]{32,88}={0,2})")
_SECRET_BYTES = range(24, 65)


class VerificationError(Exception):
    """The request is not to be trusted.

    Attributes:
        reason: What was wrong, as a constant: `invalid_secret`, `invalid_body`, `invalid_headers`,
            `missing_header`, `duplicate_header`, `invalid_header`, `too_many_signatures`, `no_signature`,
            `timestamp_too_old`, `timestamp_too_new` or `signature_mismatch`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A request whose signature is right.

    Attributes:
        event_id: The idempotency key: the same over all attempts of one event. In the format `x-webhook`
            it is not covered by the signature, so do not rest deduplication on it there.
        timestamp: When the request was signed, Unix time in seconds.
        format: The format that was verified, `standard` or `x-webhook`.
    """

    event_id: str
    timestamp: int
    format: Literal["standard", "x-webhook"]


def verify(  # noqa: PLR0917 - a published signature
    body: bytes,
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    secrets: str | Sequence[str],
    format: Literal["standard", "x-webhook", "any"] = "standard",  # noqa: A002 - the public name
    tolerance: float = 300,
    now: float | None = None,
) -> Verified:
    """Return what the signature proves, or raise.

    Any valid signature by any of the secrets is enough, so secrets can be rotated without a gap. The
    comparisons take the same time whatever the signatures are.

    Args:
        body: The raw bytes of the request's body.
        headers: All headers of the request, as a mapping or as pairs; the case of names does not matter.
        secrets: One secret or several, each `whsec_` and padded base64 of 24 to 64 bytes.
        format: `standard` (webhook-id, webhook-timestamp, webhook-signature), `x-webhook`
            (X-Webhook-Signature and X-Webhook-Id), or `any`. With `x-webhook` and `any` the event id may be
            one that was not signed: whoever repeats a captured request can change it, so **do not use
            these two for deduplication**.
        tolerance: How far the timestamp may be from now, in seconds, in the past and in the future.
        now: Unix time; by default the clock's.

    Raises:
        VerificationError: The request, or a secret, is not valid; `.reason` says why.
        ValueError: `format`, `tolerance` or `now` is not one of the values above.
        TypeError: `format`, `tolerance` or `now` is of another type. What a request consists of never
            raises anything but VerificationError, whatever its type.
    """
    if format not in {"standard", "x-webhook", "any"}:
        raise ValueError(f"format must be standard, x-webhook or any, not {format!r}")
    moment = time.time() if now is None else now
    if not (tolerance >= 0 and -math.inf < moment < math.inf):
        raise ValueError("tolerance must be 0 or more seconds, and now a finite Unix time")
    content = _bytes_of(body)
    keys = [(text.encode("ascii"), key) for text, key in map(_parse_secret, _list_of(secrets))]
    found = _pick(headers)
    if format == "x-webhook":
        return _verify_x_webhook(content, found, keys, tolerance, moment)
    try:
        return _verify_standard(content, found, keys, tolerance, moment)
    except VerificationError:
        if format == "standard" or "x-webhook-signature" not in found:
            raise
        return _verify_x_webhook(content, found, keys, tolerance, moment)


def _verify_standard(
    body: bytes, found: dict[str, str], keys: list[tuple[bytes, bytes]], tolerance: float, now: float
) -> Verified:
    event_id = _matching(_EVENT_ID, "webhook-id", _required(found, "webhook-id"))
    timestamp = _matching(_TIMESTAMP, "webhook-timestamp", _required(found, "webhook-timestamp"))
    signatures = _standard_signatures(_required(found, "webhook-signature"))
    _check_time(int(timestamp), tolerance, now)
    signed = f"{event_id}.{timestamp}.".encode("ascii") + body
    expected = [base64.b64encode(hmac.digest(key, signed, "sha256")) for _, key in keys]
    _check_signatures(signatures, expected)
    return Verified(event_id=event_id, timestamp=int(timestamp), format="standard")


def _verify_x_webhook(
    body: bytes, found: dict[str, str], keys: list[tuple[bytes, bytes]], tolerance: float, now: float
) -> Verified:
    timestamp, signatures = _x_webhook_parts(_required(found, "x-webhook-signature"))
    event_id = _matching(_EVENT_ID, "x-webhook-id", _required(found, "x-webhook-id"))
    _check_time(int(timestamp), tolerance, now)
    signed = timestamp.encode("ascii") + b"." + body
    expected = [hmac.digest(text, signed, "sha256").hex().encode("ascii") for text, _ in keys]
    _check_signatures(signatures, expected)
    return Verified(event_id=event_id, timestamp=int(timestamp), format="x-webhook")


def _standard_signatures(value: str) -> tuple[bytes, ...]:
    """Return the signatures of version 1 in `v1,<base64> v1,<base64>`; others are not ours to judge."""
    pairs = [part.partition(",") for part in _split(value, " ", "webhook-signature")]
    return _of_version_1([(name, text) for name, _, text in pairs], "webhook-signature")


def _x_webhook_parts(value: str) -> tuple[str, tuple[bytes, ...]]:
    """Return the timestamp's own text and the signatures of `t=...,v1=...,v1=...`."""
    header = "x-webhook-signature"
    pairs = [part.partition("=") for part in _split(value, ",", header)]
    times = [text for name, _, text in pairs if name == "t"]
    if len(times) != 1:
        raise VerificationError("invalid_header", f"{header} must have one t=, it has {len(times)}")
    timestamp = _matching(_TIMESTAMP, header, times[0])
    return timestamp, _of_version_1([(name, text) for name, _, text in pairs if name != "t"], header)


def _split(value: str, separator: str, header: str) -> list[str]:
    parts = value.split(separator, MAX_SIGNATURES + 1)
    if len(parts) > MAX_SIGNATURES:
        raise VerificationError("too_many_signatures", f"{header} has more than {MAX_SIGNATURES} parts")
    return parts


def _of_version_1(pairs: list[tuple[str, str]], header: str) -> tuple[bytes, ...]:
    for name, text in pairs:
        if not name or not _SIGNATURE.fullmatch(text):
            raise VerificationError("invalid_header", f"{header} is not made of version and signature pairs")
    signatures = tuple(text.encode("ascii") for name, text in pairs if name == "v1")
    if not signatures:
        raise VerificationError("no_signature", f"{header} has no v1 signature")
    return signatures


def _check_time(timestamp: int, tolerance: float, now: float) -> None:
    if now - timestamp > tolerance:
        raise VerificationError("timestamp_too_old", f"signed more than {tolerance} s ago")
    if timestamp - now > tolerance:
        raise VerificationError("timestamp_too_new", f"signed more than {tolerance} s in the future")


def _check_signatures(given: tuple[bytes, ...], expected: list[bytes]) -> None:
    matched = False
    # No early end: how long it takes must not tell which secret or signature was right.
    for right in expected:
        for signature in given:
            matched |= hmac.compare_digest(right, signature)
    if not matched:
        raise VerificationError(
            "signature_mismatch",
            "no signature matches: wrong secret, or the body is not the bytes that were sent",
        )


def _pick(headers: Any) -> dict[str, str]:
    """Return the headers that matter under their lower-case names."""
    found: dict[str, str] = {}
    for count, pair in enumerate(_pairs_of(headers)):
        if count >= MAX_HEADERS:
            raise VerificationError("invalid_headers", f"more than {MAX_HEADERS} headers")
        name, value = _pair_of(pair)
        if name not in _WANTED:
            continue
        if name in found:
            raise VerificationError("duplicate_header", f"{name} is there more than once")
        found[name] = _text_of(name, value)
    return found


def _pairs_of(headers: Any) -> Iterable[Any]:
    try:
        pairs: Iterable[Any] = iter(headers.items() if hasattr(headers, "items") else headers)
    except TypeError:
        raise VerificationError("invalid_headers", "headers must be a mapping or a list of pairs") from None
    return pairs


def _pair_of(pair: Any) -> tuple[str, Any]:
    try:
        name, value = pair if isinstance(pair, (tuple, list)) else ()
    except ValueError:
        raise VerificationError("invalid_headers", "headers must be a mapping or a list of pairs") from None
    if not isinstance(name, (str, bytes)):
        raise VerificationError("invalid_headers", "the name of a header is not text")
    # A longer name is none of ours and is not worth lowering.
    if len(name) > MAX_NAME_LENGTH:
        return "", value
    return (name.decode("latin-1") if isinstance(name, bytes) else name).lower(), value


def _text_of(name: str, value: Any) -> str:
    if not isinstance(value, (str, bytes)) or len(value) > MAX_HEADER_LENGTH or not value.isascii():
        raise VerificationError("invalid_header", f"{name} is not ASCII text of {MAX_HEADER_LENGTH} or less")
    return value.decode("ascii") if isinstance(value, bytes) else value


def _required(found: dict[str, str], name: str) -> str:
    try:
        return found[name]
    except KeyError:
        raise VerificationError("missing_header", f"{name} is missing") from None


def _matching(pattern: re.Pattern[str], header: str, text: str) -> str:
    if not pattern.fullmatch(text):
        raise VerificationError("invalid_header", f"{header} is malformed")
    return text


def _bytes_of(body: Any) -> bytes:
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise VerificationError("invalid_body", "the body must be the raw bytes of the request, unparsed")
    return bytes(body)


def _list_of(secrets: Any) -> list[Any]:
    if isinstance(secrets, str):
        return [secrets]
    if not isinstance(secrets, (list, tuple, set, frozenset)) or not 0 < len(secrets) <= MAX_SECRETS:
        raise VerificationError("invalid_secret", f"secrets must be one or a sequence of 1 to {MAX_SECRETS}")
    return list(secrets)


def _parse_secret(secret: Any) -> tuple[str, bytes]:
    match = _SECRET.fullmatch(secret) if isinstance(secret, str) else None
    try:
        key = binascii.a2b_base64(match[1]) if match else b""
    except binascii.Error:
        key = b""
    if match is None or len(key) not in _SECRET_BYTES or base64.b64encode(key).decode("ascii") != match[1]:
        raise VerificationError("invalid_secret", "a secret is whsec_ and padded base64 of 24 to 64 bytes")
    return match[0], key
