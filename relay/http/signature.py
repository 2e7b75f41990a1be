"""Secrets, and the signature headers of one request in both formats."""

import base64
import binascii
import hmac
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "whsec_"
GENERATED_BYTES = 32
MIN_BYTES = 24
MAX_BYTES = 64


class InvalidSecret(ValueError):  # noqa: N818 - it says what the text is
    """A text that is no secret; the message never repeats it."""


class SignatureFormat(StrEnum):
    """Which signature headers an endpoint gets."""

    BOTH = "both"
    X_WEBHOOK = "x-webhook"
    STANDARD = "standard"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Secret:
    """A parsed secret with the key bytes of both formats, worked out once.

    Attributes:
        text: The secret as it is shown and stored.
        x_webhook_key: The UTF-8 bytes of the whole text.
        standard_key: The bytes that the base64 after `whsec_` stands for.
    """

    text: str
    x_webhook_key: bytes
    standard_key: bytes

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
    return Secret(text=text, x_webhook_key=text.encode("ascii"), standard_key=key)


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
    if not secrets:
        raise ValueError(f"cannot sign event {event_id}: its endpoint has no secret")
    headers: list[tuple[str, str]] = []
    if fmt != SignatureFormat.STANDARD:
        headers.append(("X-Webhook-Signature", _x_webhook(timestamp, body, secrets)))
    if fmt != SignatureFormat.X_WEBHOOK:
        headers.append(("webhook-id", event_id))
        headers.append(("webhook-timestamp", str(timestamp)))
        headers.append(("webhook-signature", _standard(event_id, timestamp, body, secrets)))
    return headers


def _x_webhook(timestamp: int, body: bytes, secrets: Sequence[Secret]) -> str:
    signed = b"%d.%b" % (timestamp, body)
    value = f"t={timestamp}"
    for secret in secrets:
        value += f",v1={hmac.digest(secret.x_webhook_key, signed, 'sha256').hex()}"
    return value


def _standard(event_id: str, timestamp: int, body: bytes, secrets: Sequence[Secret]) -> str:
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = [
        # b2a_base64 is what b64encode wraps; this is the hot path.
        "v1,"
        + binascii.b2a_base64(hmac.digest(secret.standard_key, signed, "sha256"), newline=False).decode()
        for secret in secrets
    ]
    return " ".join(signatures)
