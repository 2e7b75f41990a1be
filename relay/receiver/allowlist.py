"""Lets in only requests from certain addresses, also behind proxies. Needs only the standard library.

    AllowList(["203.0.113.0/24"])                                     # nothing in front
    AllowList(["203.0.113.0/24"], trusted_proxies=["10.0.0.0/8"])     # proxies with addresses that are known
    AllowList(["203.0.113.0/24"], trusted_hops=1)                     # one proxy, which nothing can get past

`X-Forwarded-For` is written by whoever sends it: only what our own proxies put at its end is worth anything. So
it is read from the right, and never further than the proxies go that were named. What cannot be told is refused.
The headers `Forwarded` and `X-Real-IP` are not looked at.

An address proves little. The signature is the proof; a list only keeps the rest of the world from asking.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

MAX_FORWARDED = 4096
"""Characters of `X-Forwarded-For` beyond which nothing is believed."""

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_PORT = re.compile(r":[0-9]{1,5}")
_MAPPED = IPv6Network("::ffff:0:0/96")
_MAPPED_BITS = 96


class AllowList:
    """Addresses that may send.

    Args:
        cidrs: Networks or single addresses. None of them: nobody may.
        trusted_proxies: Networks of our own proxies. `X-Forwarded-For` counts only if the connection comes from
            one, and is read from the right up to the first address that is none.
        trusted_hops: How many of our own proxies every request passes: each appends what it saw. Right only if
            nothing can connect past them, since a stranger who does writes the whole header.

    Raises:
        ValueError: A network is not valid, has bits beyond its mask, or both kinds of proxies are given.
    """

    def __init__(
        self, cidrs: Iterable[str], *, trusted_proxies: Iterable[str] = (), trusted_hops: int = 0
    ) -> None:
        self._networks = _networks(cidrs)
        self._proxies = _networks(trusted_proxies)
        self._hops = trusted_hops
        if trusted_hops < 0 or (trusted_hops and self._proxies):
            raise ValueError("give trusted_proxies, or trusted_hops of 1 or more, not both")

    def replace(self, cidrs: Iterable[str]) -> None:
        """Let in these and no others from now on.

        Raises:
            ValueError: One is not valid; then nothing has changed.
        """
        self._networks = _networks(cidrs)

    def allows(self, peer: str | None, forwarded_for: Sequence[str] = ()) -> bool:
        """Return whether a request may come in.

        Args:
            peer: The address that the connection comes from, as the socket tells; None if it tells none.
            forwarded_for: The values of every `X-Forwarded-For` of the request, in their order.
        """
        address = self.client(peer, forwarded_for)
        return address is not None and _is_in(address, self._networks)

    def client(self, peer: str | None, forwarded_for: Sequence[str] = ()) -> Address | None:
        """Return the address that a request comes from, IPv4 in its own form; None if that cannot be told."""
        if not self._hops and not self._proxies:
            return parse_address(peer)
        entries = _entries(forwarded_for)
        if self._hops:
            return parse_address(entries[-self._hops]) if len(entries) >= self._hops else None
        return self._first_stranger(parse_address(peer), entries)

    def _first_stranger(self, peer: Address | None, entries: list[str]) -> Address | None:
        """Return the first address, going back from the connection, that is none of our proxies."""
        address = peer
        for entry in reversed(entries):
            if address is None or not _is_in(address, self._proxies):
                return address
            address = parse_address(entry)
        return None if address is None or _is_in(address, self._proxies) else address


def parse_address(text: str | None) -> Address | None:
    """Return the address in `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]` or `[::1]:80`; None for anything else.

    An IPv4 address that is mapped into IPv6 (`::ffff:1.2.3.4`, RFC 4291) is returned as the IPv4 address that
    it is. One with a zone (`fe80::1%eth0`) means nothing to others and is none.
    """
    bare = _without_port((text or "").strip(" \t"))
    if "%" in bare or not bare.isascii():
        return None
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _without_port(text: str) -> str:
    """Return an address without brackets and port; a text that is wrongly built is returned as no address."""
    if text.startswith("["):
        inner, bracket, rest = text[1:].partition("]")
        is_right = bracket and ":" in inner and (not rest or _is_port(rest))
        return inner if is_right else ""
    host, colon, port = text.partition(":")
    if colon and "." in host and ":" not in port:
        return host if _is_port(colon + port) else ""
    return text


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None


def _entries(values: Sequence[str]) -> list[str]:
    """Return what is between the commas of all values in their order; nothing if it is too much to be right."""
    joined = ",".join(values)
    return joined.split(",") if joined and len(joined) <= MAX_FORWARDED else []


def _networks(cidrs: Iterable[str]) -> tuple[Network, ...]:
    if isinstance(cidrs, str):
        raise ValueError("give a list of networks, not one text")  # noqa: TRY004 - as every other wrong value
    return tuple(_network(cidr) for cidr in cidrs)


def _network(cidr: str) -> Network:
    network = ip_network(cidr)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        inner = network.network_address.ipv4_mapped
        return IPv4Network((int(inner or 0), network.prefixlen - _MAPPED_BITS))
    return network


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
