"""The host part of a URL: literal addresses and names, and which of them may be registered."""

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address

import idna

from relay.http.addresses import AddressPolicy, parse_address

MAX_NAME_LENGTH = 253

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?")
# What some parser reads as an IPv4 address: the last label is a number, decimal, octal or hexadecimal.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))

# Names that mean something only inside a network; the answer is judged at the connection as well.
_INSIDE = (
    "local",
    "internal",
    "localdomain",
    "home.arpa",
    "home",
    "corp",
    "lan",
    "intranet",
    "private",
)


class HostRefused(ValueError):  # noqa: N818 - it says what happened to the host
    """A host that no URL may have; `reason` is `bad_host` or `destination_not_allowed`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def canonical_host(written: str, policy: AddressPolicy, own: Collection[str] = ()) -> str:
    """Return the host in the form that is stored: a plain address without brackets, or an ASCII name.

    Args:
        written: The host of a URL, an IPv6 address in its brackets.
        policy: The rules for addresses. Names of the host itself (`localhost`) need a policy that opens
            loopback; single labels and names like `.internal` one that opens some other network.
        own: The host's own addresses.

    Raises:
        HostRefused: It is malformed, or may not be reached.
    """
    if written.startswith("["):
        return _literal(written[1:-1], policy, own, IPv6Address)
    name = _ascii_name(written)
    if _NUMBER.fullmatch(name.rstrip(".").rpartition(".")[2]):
        # The text as written: `127.1`, `0x7f.0.0.1`, full-width digits and the like are read differently by
        # different parsers, so only the plain form is taken.
        return _literal(written, policy, own, IPv4Address)
    name = name.removesuffix(".")
    _check_labels(name)
    _check_meaning(name, policy)
    return name


def _literal(
    text: str, policy: AddressPolicy, own: Collection[str], family: type[IPv4Address | IPv6Address]
) -> str:
    address = parse_address(text)
    if not isinstance(address, family):
        raise HostRefused("bad_host", "the URL's host is no IP address in its usual form")
    if reason := policy.refuse(text, own=own):
        raise HostRefused("destination_not_allowed", f"{address} may not be reached: {reason}")
    return str(address)


def _ascii_name(written: str) -> str:
    if written.isascii():
        return written.lower()
    try:
        return idna.encode(written, uts46=True, std3_rules=True).decode("ascii")
    except UnicodeError:
        raise HostRefused("bad_host", "the URL's host is no valid international domain name") from None


def _check_labels(name: str) -> None:
    if len(name) > MAX_NAME_LENGTH:
        raise HostRefused("bad_host", f"the URL's host is longer than {MAX_NAME_LENGTH} characters")
    for label in name.split("."):
        if not _LABEL.fullmatch(label) or (label.startswith("xn--") and not _is_idna(label)):
            raise HostRefused("bad_host", "the URL's host is no valid domain name")


def _is_idna(label: str) -> bool:
    try:
        return idna.encode(idna.decode(label)).decode("ascii") == label
    except UnicodeError:
        return False


def _check_meaning(name: str, policy: AddressPolicy) -> None:
    if _ends_in(name, "localhost"):
        if not any(policy.opens(address) for address in _LOOPBACK):
            raise HostRefused("destination_not_allowed", "localhost may not be reached")
        return
    inside = "." not in name or any(_ends_in(name, suffix) for suffix in _INSIDE)
    if inside and not policy.opens_beyond_loopback():
        raise HostRefused("destination_not_allowed", "the URL's host is a name of an internal network")


def _ends_in(name: str, suffix: str) -> bool:
    return name == suffix or name.endswith("." + suffix)
