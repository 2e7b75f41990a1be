"""Custom request headers: which names and values an endpoint or an event may add."""

import re
from collections.abc import Mapping

MAX_HEADERS = 20
MAX_BYTES = 8192

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[!-~](?:[\t -~]*[!-~])?|")  # the same, 5.5, without bytes beyond ASCII

_REFUSED_NAMES = {
    **dict.fromkeys(
        ("accept-encoding", "content", "cookie", "cookie2", "expect", "host", "set-cookie", "user-agent"),
        "Relay sets it, or it has no place in a webhook",
    ),
    **dict.fromkeys(
        ("connection", "http2-settings", "keep-alive", "te", "trailer", "upgrade"),
        "it is about the connection, not the request",
    ),
    **dict.fromkeys(
        (
            "metadata",
            "metadata-flavor",
            "x-aliyun-ecs-metadata-token",
            "x-aws-ec2-metadata-token",
            "x-google-metadata-request",
            "x-metadata-token",
        ),
        "it opens the metadata services of clouds",
    ),
}
_REFUSED_PREFIXES = {
    "content-": "Relay sets it",
    "transfer-": "it is about the connection, not the request",
    "proxy-": "it is about the connection, not the request",
    "webhook-": "Relay sets and signs it",
    "x-webhook-": "Relay sets and signs it",
    "metadata-": "it opens the metadata services of clouds",
    "x-aliyun-ecs-metadata-": "it opens the metadata services of clouds",
    "x-aws-ec2-metadata-": "it opens the metadata services of clouds",
}


class InvalidHeader(ValueError):  # noqa: N818 - it says what the header is
    """Custom headers that are not sent; the message names the header, never its value."""


def check_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return custom request headers as pairs, in their order, once every rule holds.

    Args:
        headers: Names and values: at most 20, together 8 KiB as they go over the wire.

    Raises:
        InvalidHeader: A rule is broken; the message says which header and what to do.
    """
    if len(headers) > MAX_HEADERS:
        raise InvalidHeader(f"there are {len(headers)} custom headers; at most {MAX_HEADERS} are sent")
    seen: set[str] = set()
    for name, value in headers.items():
        _check_name(name)
        if name.lower() in seen:
            raise InvalidHeader(f"header {name} is given twice; give it once")
        seen.add(name.lower())
        _check_value(name, value)
    size = sum(len(name) + len(value) + len(": \r\n") for name, value in headers.items())
    if size > MAX_BYTES:
        raise InvalidHeader(f"the custom headers are {size} bytes long; at most {MAX_BYTES} are sent")
    return tuple(headers.items())


def _check_name(name: object) -> None:
    if not isinstance(name, str) or len(name) > MAX_BYTES or not _TOKEN.fullmatch(name):
        raise InvalidHeader(f"{ascii(name)[:60]} is no header name; use letters, digits and hyphens")
    # Servers behind CGI and WSGI read an underscore as a hyphen.
    plain = name.lower().replace("_", "-")
    prefix = next((prefix for prefix in _REFUSED_PREFIXES if plain.startswith(prefix)), None)
    reason = _REFUSED_NAMES.get(plain) or (_REFUSED_PREFIXES[prefix] if prefix else None)
    if reason:
        raise InvalidHeader(f"header {name} cannot be set: {reason}; remove it")


def _check_value(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidHeader(f"the value of header {name} is not a text; write it in quotes")
    if not _VALUE.fullmatch(value):
        raise InvalidHeader(
            f"the value of header {name} must be ASCII without line ends, control characters"
            " or spaces around it"
        )
