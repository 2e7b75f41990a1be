"""Which addresses requests may go to: the rules alone, without any I/O."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)
from typing import TypeVar

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
AnyNetwork = TypeVar("AnyNetwork", IPv4Network, IPv6Network)

# IANA's special-purpose registry for IPv4, with what clouds put in between. Not `ipaddress.is_global`, which
# takes multicast and Azure's metadata address for global ones.
_REFUSED_IPV4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by carriers (CGNAT)"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's metadata service"),
        ("169.254.0.0/16", "link-local or a cloud's metadata service"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "multicast tunnelling (AMT)"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved or broadcast"),
    )
)

# Outside 2000::/3 nothing is global; these are the blocks inside it that are not either.
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_REFUSED_IPV6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fc00::/7", "private (unique local)"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private (site-local)"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved for protocols"),
        ("2001:db8::/32", "documentation"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
    )
)

# Forms that carry an IPv4 address past a rule written for IPv6. No setting opens them.
_CARRIES_IPV4: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("::ffff:0:0/96", "an IPv4-mapped address"),
        ("::ffff:0:0:0/96", "an IPv4-translated address"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("2001::/32", "a Teredo address"),
        ("2002::/16", "a 6to4 address"),
    )
)
_COMPATIBLE_IPV4 = IPv6Network("::/96")
_NOT_COMPATIBLE = frozenset({IPv6Address("::"), IPv6Address("::1")})
# RFC 5214: the interface id of ISATAP is 0000:5efe or 0200:5efe followed by an IPv4 address.
_ISATAP_IDS = frozenset({0x00005EFE, 0x02005EFE})


def public_networks() -> tuple[Network, ...]:
    """Return the networks that the tables leave open, as few as they are: for what can only be told what to allow."""
    v4: list[IPv4Network] = [IPv4Network("0.0.0.0/0")]
    for refused4, _ in _REFUSED_IPV4:
        v4 = [part for network in v4 for part in _without(network, refused4)]
    v6: list[IPv6Network] = [_GLOBAL_IPV6]
    for refused6, _ in (*_REFUSED_IPV6, *_CARRIES_IPV4):
        v6 = [part for network in v6 for part in _without(network, refused6)]
    return (*collapse_addresses(v4), *collapse_addresses(v6))


def _without(network: AnyNetwork, refused: AnyNetwork) -> list[AnyNetwork]:
    if network.subnet_of(refused):
        return []
    return list(network.address_exclude(refused)) if refused.subnet_of(network) else [network]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """Which addresses may be reached: the built-in tables, and what the operator opens and closes.

    Attributes:
        allow_cidrs: Networks (or their text) opened on purpose, though the tables refuse them.
        deny_cidrs: Networks (or their text) that are refused whatever `allow_cidrs` says.

    Raises:
        ValueError: A text is no network.
    """

    allow_cidrs: tuple[str | Network, ...] = ()
    deny_cidrs: tuple[str | Network, ...] = ()

    def __post_init__(self) -> None:
        _networks(tuple(self.allow_cidrs))
        _networks(tuple(self.deny_cidrs))

    def refuse(self, address: str, *, own: Collection[str] = ()) -> str | None:
        """Return why no request may go to `address`, or None if it may.

        Args:
            address: A literal IP address without zone or brackets; anything else is refused.
            own: The host's own addresses in canonical form, refused unless `allow_cidrs` has them.
        """
        parsed = parse_address(address)
        if parsed is None:
            return "not a plain IP address"
        if _is_within(parsed, _networks(tuple(self.deny_cidrs))):
            return "closed by deny_cidrs"
        if carrier := _carries_ipv4(parsed):
            return carrier
        if self.opens(parsed):
            return None
        if str(parsed) in own:
            return "this host's own address"
        return _refused_by_table(parsed)

    def opens(self, address: Address) -> bool:
        """Say whether `allow_cidrs` has this address."""
        return _is_within(address, _networks(tuple(self.allow_cidrs)))

    def opens_beyond_loopback(self) -> bool:
        """Say whether `allow_cidrs` has a network that is not loopback: the operator delivers inside."""
        return any(not network.is_loopback for network in _networks(tuple(self.allow_cidrs)))


def parse_address(text: str) -> Address | None:
    """Return the address that `text` spells in the plain form of its family, or None.

    A zone (`fe80::1%eth0`) is no plain form: the kernel would connect to it, and no table knows it.
    """
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _networks(given: tuple[str | Network, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(str(network)) for network in given)


def _is_within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _carries_ipv4(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        return None
    for network, reason in _CARRIES_IPV4:
        if address in network:
            return reason
    if address in _COMPATIBLE_IPV4 and address not in _NOT_COMPATIBLE:
        return "an IPv4-compatible address"
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP_IDS:
        return "an ISATAP address"
    return None


def _refused_by_table(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((reason for network, reason in _REFUSED_IPV4 if address in network), None)
    for network, reason in _REFUSED_IPV6:
        if address in network:
            return reason
    return None if address in _GLOBAL_IPV6 else "outside the global range"
