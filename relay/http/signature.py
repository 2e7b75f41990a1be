"""Secrets, and the signature headers of one request in both formats."""

import base64
import binascii
import hashlib
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "whsec_"
GENERATED_BYTES = 32
MIN_BYTES = 24
MAX_BYTES = 64


_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class HmacKey:
    """A key for HMAC-SHA256 (RFC 2104) with its part of the work done: per message `hmac.digest` takes twice as long.

    Args:
        key: Any bytes.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def sign(self, head: bytes, body: bytes) -> "hashlib._Hash":
        """Return the authentication code of `head` and `body` after one another."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(head)
        inner.update(body)
        outer.update(inner.digest())
        return outer


class InvalidSecret(ValueError):  # noqa: N818 - it says what the text is
    """A text that is no secret; the message never repeats it."""


class SignatureFormat(StrEnum):
    """Which signature headers an endpoint gets."""

    BOTH = "both"
    X_WEBHOOK = "x-webhook"
    STANDARD = "standard"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Secret:
    """A parsed secret with the keys of both formats, worked out once.

    Attributes:
        text: The secret as it is shown and stored.
        x_webhook: Its key is the UTF-8 bytes of the whole text.
        standard: Its key is the bytes that the base64 after `whsec_` stands for.
    """

    text: str
    x_webhook: HmacKey
    standard: HmacKey

    def __repr__(self) -> str:
        return "Secret(hidden)"


def generate_secret() -> str:
    """Return a new secret: `whsec_` and the base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(random.token_bytes(GENERATED_BYTES)).decode("ascii")


def parse_secret(text: str) -> Secret:
    """Return the secret written as `text`.

    Args:
        text: `whsec_` and padded standard base64 of 24 to 64 bytes.

    Raises:
        InvalidSecret: It is anything else; the message says what is wrong and does not repeat the text.
    """
    if not text.startswith(PREFIX):
        raise InvalidSecret(f"a secret starts with {PREFIX}, this one does not")
    key = _decode(text.removeprefix(PREFIX))
    if not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise InvalidSecret(f"a secret holds {MIN_BYTES} to {MAX_BYTES} bytes, this one {len(key)}")
    return Secret(text=text, x_webhook=HmacKey(text.encode("ascii")), standard=HmacKey(key))


def _decode(encoded: str) -> bytes:
    # Encoding again catches what a lenient decoder lets pass: missing padding, stray bits, other alphabets.
    try:
        key = binascii.a2b_base64(encoded.encode("ascii"))
    except ValueError:
        key = b""
    if not key or base64.b64encode(key).decode("ascii") != encoded:
        raise InvalidSecret(f"a secret is padded standard base64 after {PREFIX}, without spaces or line ends")
    return key


def sign(
    event_id: str, timestamp: int, body: bytes, secrets: Sequence[Secret], fmt: SignatureFormat
) -> list[tuple[str, str]]:
    """Return the signature headers of one attempt, in the order in which they are sent.

    Args:
        event_id: The event's id; it holds no full stop, which separates the signed parts.
        timestamp: Unix time of this attempt, in seconds.
        body: The very bytes that are sent.
        secrets: At least one, the current secret first.
        fmt: Which formats to give.

    Returns:
        `X-Webhook-Signature` (HMAC-SHA256 of `{timestamp}.{body}`, hex), then `webhook-id`,
        `webhook-timestamp` and `webhook-signature` (HMAC-SHA256 of `{id}.{timestamp}.{body}`, base64;
        https://www.standardwebhooks.com), as far as `fmt` asks for them.

    Raises:
        ValueError: There is no secret; nothing is ever sent unsigned.
    """
    headers: list[tuple[str, str]] = []
    if fmt is not SignatureFormat.STANDARD:
        headers.append(("X-Webhook-Signature", x_webhook_signature(timestamp, body, secrets)))
    if fmt is not SignatureFormat.X_WEBHOOK:
        headers.append(("webhook-id", event_id))
        headers.append(("webhook-timestamp", str(timestamp)))
        headers.append(("webhook-signature", standard_signature(event_id, timestamp, body, secrets)))
    return headers


def x_webhook_signature(timestamp: int, body: bytes, secrets: Sequence[Secret]) -> str:
    """Return the value of `X-Webhook-Signature`; arguments and errors as of `sign`."""
    if not secrets:
        raise ValueError("cannot sign: the endpoint has no secret")
    head = b"%d." % timestamp
    value = f"t={timestamp}"
    for secret in secrets:
        value += f",v1={secret.x_webhook.sign(head, body).hexdigest()}"
    return value


def standard_signature(event_id: str, timestamp: int, body: bytes, secrets: Sequence[Secret]) -> str:
    """Return the value of `webhook-signature`; arguments and errors as of `sign`."""
    if not secrets:
        raise ValueError(f"cannot sign event {event_id}: its endpoint has no secret")
    head = f"{event_id}.{timestamp}.".encode()
    value = ""
    for secret in secrets:
        # b2a_base64 is what b64encode wraps; this is the hot path.
        code = binascii.b2a_base64(secret.standard.sign(head, body).digest(), newline=False).decode()
        value = f"{value} v1,{code}" if value else f"v1,{code}"
    return value
