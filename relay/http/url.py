"""Which URLs may be registered, and the one form in which they are stored."""

import re
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import quote

from relay.http.addresses import AddressPolicy
from relay.http.hosts import HostRefused, canonical_host

MAX_LENGTH = 2048
DEFAULT_PORTS = {"https": 443, "http": 80}
ALLOW_PORTS: tuple[range, ...] = (range(80, 81), range(443, 444), range(1024, 65536))

# What answers on these is no HTTP server but can be made to act on an HTTP request: the Fetch standard's bad
# ports above 1023, and databases, caches and cluster services. Naming one alone in allow_ports opens it.
REFUSED_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6679, 6697, 10080}
    | set(range(6665, 6670))
    | {
        1433,
        1521,
        2375,
        2376,
        2379,
        2380,
        3306,
        3389,
        5432,
        5672,
        5900,
        6379,
        9042,
        10250,
        10255,
        11211,
        27017,
    }
)

_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::(.*))?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Everything a request target may hold as it is (RFC 3986); quote() turns the rest into UTF-8 escapes.
_TARGET = "!#$%&'()*+,/:;=?@[]~"


class InvalidUrl(ValueError):  # noqa: N818 - it says what the URL is
    """A URL that no endpoint may have.

    Attributes:
        reason: What is wrong, as a constant: `empty`, `too_long`, `bad_character`, `bad_syntax`,
            `scheme_not_allowed`, `userinfo`, `fragment`, `bad_port`, `port_not_allowed`, `bad_host` or
            `destination_not_allowed`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedUrl:
    """A URL that may be registered.

    Attributes:
        url: The canonical form, ASCII only: what is stored and requested.
        scheme: `https` or `http`.
        host: A lower-case ASCII name without a trailing dot, or an IP address without brackets.
        port: The port, the scheme's default included.
        path: The request target: path and query, at least `/`.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlVerdict:
    """What `relay endpoint check` says of one URL; `reason` is None where it is allowed."""

    url: str
    allowed: bool
    reason: str | None


def check_url(
    url: str,
    *,
    allow_http: bool = False,
    allow_ports: Sequence[Container[int]] = ALLOW_PORTS,
    policy: AddressPolicy,
    own: Collection[str] = (),
) -> CheckedUrl:
    """Return the canonical form of a URL that may be registered.

    Strict on purpose: what two parsers could read in two ways is refused, not repaired.

    Args:
        url: As somebody wrote it.
        allow_http: Whether `http` is allowed beside `https`.
        allow_ports: Ranges of ports; a port that Relay refuses by itself needs a range of its own.
        policy: The rules for literal addresses.
        own: The host's own addresses.

    Raises:
        InvalidUrl: With a reason, and a message that says what to change.
    """
    _check_characters(url)
    scheme, authority, path, query = _split(url)
    _check_scheme(scheme, allow_http=allow_http)
    written, port_text = _split_authority(authority)
    port = _port(port_text, scheme, allow_ports)
    try:
        host = canonical_host(written, policy, own)
    except HostRefused as refused:
        raise InvalidUrl(refused.reason, str(refused)) from None
    target = quote((path or "/") + query, safe=_TARGET)
    shown_port = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
    canonical = f"{scheme}://{_bracketed(host)}{shown_port}{target}"
    if len(canonical) > MAX_LENGTH:
        raise InvalidUrl("too_long", f"the URL is longer than {MAX_LENGTH} characters once written in ASCII")
    return CheckedUrl(url=canonical, scheme=scheme, host=host, port=port, path=target)


def judge_urls(
    urls: Iterable[str],
    *,
    allow_http: bool = False,
    allow_ports: Sequence[Container[int]] = ALLOW_PORTS,
    policy: AddressPolicy,
    own: Collection[str] = (),
) -> Iterable[UrlVerdict]:
    """Yield for each URL whether it may be registered and why not, as `check_url` says."""
    for url in urls:
        try:
            check_url(url, allow_http=allow_http, allow_ports=allow_ports, policy=policy, own=own)
        except InvalidUrl as invalid:
            yield UrlVerdict(url=url, allowed=False, reason=f"{invalid.reason}: {invalid}")
        else:
            yield UrlVerdict(url=url, allowed=True, reason=None)


def _check_characters(url: str) -> None:
    if not url:
        raise InvalidUrl("empty", "the URL is empty; write for example https://example.com/hook")
    if len(url) > MAX_LENGTH:
        raise InvalidUrl("too_long", f"the URL is longer than {MAX_LENGTH} characters")
    for character in url:
        # isprintable() is false for control, format, private, unassigned and surrogate characters.
        if character.isspace() or character == "\\" or not character.isprintable():
            raise InvalidUrl("bad_character", f"the URL has the character U+{ord(character):04X}; remove it")


def _split(url: str) -> tuple[str, str, str, str]:
    if "#" in url:
        raise InvalidUrl("fragment", "the URL has a fragment (#), which is never sent; remove it")
    parts = _PARTS.fullmatch(url)
    if parts is None:
        raise InvalidUrl("bad_syntax", "the URL is not of the form https://host/path")
    scheme, authority, path, query = parts.groups(default="")
    if "@" in authority:
        raise InvalidUrl("userinfo", "the URL has a user name or password; use a request header instead")
    if _BAD_ESCAPE.search(path + query):
        raise InvalidUrl("bad_syntax", "the URL has a % that is not followed by two hexadecimal digits")
    # A lone question mark is not sent by every client, so it is not stored either.
    return scheme.lower(), authority, path, "" if query == "?" else query


def _check_scheme(scheme: str, *, allow_http: bool) -> None:
    if scheme == "https" or (scheme == "http" and allow_http):
        return
    wanted = "https or http" if allow_http else "https"
    raise InvalidUrl("scheme_not_allowed", f"the URL's scheme is {scheme}; use {wanted}")


def _split_authority(authority: str) -> tuple[str, str | None]:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise InvalidUrl("bad_syntax", "the URL's host and port cannot be told apart")
    if not parts[1]:
        raise InvalidUrl("bad_host", "the URL has no host")
    return parts[1], parts[2]


def _port(text: str | None, scheme: str, allow_ports: Sequence[Container[int]]) -> int:
    if text is None:
        port = DEFAULT_PORTS[scheme]
    elif _PORT.fullmatch(text) and int(text) < 65536:  # noqa: PLR2004 - the end of ports
        port = int(text)
    else:
        raise InvalidUrl("bad_port", "the URL's port is not a number from 1 to 65535")
    fitting = [ports for ports in allow_ports if port in ports]
    named_alone = any(ports == range(port, port + 1) for ports in fitting)
    if not fitting or (port in REFUSED_PORTS and not named_alone):
        raise InvalidUrl("port_not_allowed", f"port {port} is not allowed for webhooks")
    return port


def _bracketed(host: str) -> str:
    return f"[{IPv6Address(host)}]" if ":" in host else host
