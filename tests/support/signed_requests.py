"""Requests for those who verify, in any language: what must be accepted and what must not, by name."""

import base64
import hmac
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "signatures.json").read_text())
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
STRANGE = "whsec_QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="
NOW = 1760000000


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request in the Standard Webhooks format, and what its receiver knows.

    Attributes:
        now: The receiver's time; None for its clock's.
    """

    body: bytes = b'{"a":1}'
    event_id: str = "evt_1"
    timestamp: str = str(NOW)
    signature: str = ""
    secret: str = SECRET
    now: float | None = NOW


def signature_of(request: SignedRequest, secret: str = SECRET) -> str:
    """Sign by the words of the contract."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{request.event_id}.{request.timestamp}.".encode() + request.body
    return "v1," + base64.b64encode(hmac.digest(key, text, "sha256")).decode()


def signed(secret: str = SECRET, **fields: Any) -> SignedRequest:
    """Make a request that is right."""
    request = SignedRequest(secret=secret, **fields)
    return replace(request, signature=signature_of(request, secret))


def from_vectors() -> dict[str, SignedRequest]:
    """Return those that independent libraries signed, a rotation among them."""
    single = {
        f"vector {vector['name']}": SignedRequest(
            body=vector["body_utf8"].encode(),
            event_id=vector["id"],
            timestamp=str(vector["timestamp"]),
            signature=vector["standard_webhooks"],
            secret=vector["secret"],
            now=vector["timestamp"],
        )
        for vector in VECTORS["hmac"]
    }
    rotation = VECTORS["rotation"]
    return single | {
        f"rotation, secret {number}": SignedRequest(
            body=rotation["body_utf8"].encode(),
            event_id=rotation["id"],
            timestamp=str(rotation["timestamp"]),
            signature=rotation["webhook_signature"],
            secret=secret,
            now=rotation["timestamp"],
        )
        for number, secret in enumerate(rotation["secrets"], 1)
    }


RIGHT = signed()
WRONG_TEXT = "v1," + "A" * 43 + "="

ACCEPTED: dict[str, SignedRequest] = {
    **from_vectors(),
    "bytes that are no text": signed(body=bytes(range(256)) * 4),
    "a body that ends with lines": signed(body=b'{"a":1}\r\n\n'),
    "a large body": signed(body=b"x" * 262144),
    "an id of all that it may have": signed(event_id="AZaz09-_"),
    "as old as may be": replace(RIGHT, now=NOW + 300),
    "as early as may be": replace(RIGHT, now=NOW - 300),
    "the first of two": replace(RIGHT, signature=f"{RIGHT.signature} {WRONG_TEXT}"),
    "the last of four": replace(RIGHT, signature=f"{WRONG_TEXT} v1,x v1,AAAA {RIGHT.signature}"),
    "beside other versions": replace(RIGHT, signature=f"v1a,AAAA= v2,x {RIGHT.signature} v0,y"),
    "a short secret": signed(secret="whsec_" + base64.b64encode(b"k" * 24).decode()),
    "a long secret": signed(secret="whsec_" + base64.b64encode(b"\xfb" * 64).decode()),
}

_SHIFTED = signed(event_id="evt", body=b"1760000000.5")

REFUSED: dict[str, SignedRequest] = {
    **{f"another secret: {name}": replace(each, secret=STRANGE) for name, each in from_vectors().items()},
    **{f"another body: {name}": replace(each, body=each.body + b" ") for name, each in from_vectors().items()},
    "another id": replace(RIGHT, event_id="evt_2"),
    "no id": signed(event_id=""),
    "an id that takes the time along": replace(_SHIFTED, event_id=f"evt.{NOW}", body=b"5"),
    "an id with a blank": signed(event_id="evt 1"),
    "an id that is not ascii": signed(event_id="\u00e9vt"),
    "an id with a line": signed(event_id="evt_1\n"),
    "another time": replace(RIGHT, timestamp=str(NOW + 1)),
    "too old": replace(RIGHT, now=NOW + 301),
    "too early": replace(RIGHT, now=NOW - 301),
    "from 1970": signed(timestamp="0"),
    **{
        f"the time {text!a}": signed(timestamp=text)
        for text in (
            "", " ", "now", f"+{NOW}", f"-{NOW}", f" {NOW}", f"{NOW}\n", f"{NOW}.0", "1.76e9", "0x68e77800", "nan",
            "inf", "9" * 12, "9" * 30, "\u0661\u0667\u0666" + str(NOW)[3:],
        )
    },
    **{
        f"the signature {text[:30]!a}": replace(RIGHT, signature=text)
        for text in (
            "", " ", "v1", "v1,", ",", WRONG_TEXT, "\u00e9", "v1,\u00e9", RIGHT.signature[3:], RIGHT.signature[:-1],
            RIGHT.signature + "=", RIGHT.signature.lower(), RIGHT.signature.replace("v1,", "v1a,"),
            RIGHT.signature.replace("v1,", "V1,"), RIGHT.signature.replace("v1,", "v1="), f"{RIGHT.signature},",
            f"{RIGHT.signature},{RIGHT.signature}", " ".join([WRONG_TEXT] * 20),
            VECTORS["hmac"][3]["stripe_style"], "*", "v1,*", "?" * 47, "[a-z]*",
        )
    },
}  # fmt: skip

NO_SECRETS: dict[str, SignedRequest] = {
    f"the secret {text!a}, signed with {key!a}": replace(
        RIGHT,
        secret=text,
        signature="v1,"
        + base64.b64encode(hmac.digest(key, b"evt_1.%d." % NOW + RIGHT.body, "sha256")).decode(),
    )
    for text, key in [
        ("whsec_", b""),
        ("", b""),
        ("whsec_%%%%", b""),
        ("whsec_a2V5", b"key"),
        ("whsec_" + "=" * 8, b""),
    ]
}
"""Secrets that are none, and requests that are right if they are taken for the key that is left of them."""


def verify_like_a_home_made_receiver(body: bytes, header: str, secret: str) -> bool:
    """Keep only the last v1 of X-Webhook-Signature, as receivers do that split it into a dictionary."""
    parts = dict(part.split("=", 1) for part in header.split(","))
    expected = hmac.new(secret.encode(), f"{parts['t']}.".encode() + body, "sha256").hexdigest()
    return hmac.compare_digest(expected, parts["v1"])
