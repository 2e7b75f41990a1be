"""The control on where requests go: each connection attempt passes here with the very address it will use.

aiohttp never asks a resolver for a literal address, and an answer can change between two questions, so only
the socket factory of the connector can be the control. See `addresses` for the rules.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from relay.http.addresses import AddressPolicy, parse_address

__all__ = [
    "REFUSED_ERRNO",
    "AddressPolicy",
    "AddressRefused",
    "GuardedSocketFactory",
    "OwnAddresses",
    "is_refusal",
]

# No errno of the kernel's. When several addresses of a name fail alike, what is raised in the end is a plain
# OSError that keeps only the number.
REFUSED_ERRNO: Final = 100_001

RECEIVE_BUFFER = 32 * 1024
"""Bytes that a server can push into the kernel before they are read; the kernel takes twice that for its own books."""


class AddressRefused(OSError):  # noqa: N818 - it says what happened to the address
    """No connection is made, since the rules refuse its address.

    Attributes:
        address: What was to be connected to. For the operator's log only: tenants must not learn it.
        reason: Why, in words.
    """

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(REFUSED_ERRNO, f"destination_not_allowed: {address} is {reason}")
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return str(self.strerror)


def is_refusal(error: BaseException | None) -> bool:
    """Say whether `error`, or what it was raised from, is the guard's doing."""
    while error is not None:
        if isinstance(error, AddressRefused) or (isinstance(error, OSError) and error.errno == REFUSED_ERRNO):
            return True
        error = error.__cause__
    return False


class OwnAddresses:
    """The addresses of this host, read from the kernel at most every few seconds.

    Loopback and private ones are refused by table anyway; this is for the public ones, behind which the
    host's own services listen.
    """

    def __init__(
        self,
        *,
        refresh: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        proc: Path = Path("/proc/self/net"),
    ) -> None:
        self._refresh = refresh
        self._clock = clock
        # /proc/net is a link to this; only this one is there under systemd's ProcSubset=pid.
        self._proc = proc
        self._known: frozenset[str] = frozenset()
        self._good_until = float("-inf")

    def current(self) -> frozenset[str]:
        """Return the canonical text of every address of this host; the last known ones if reading fails."""
        began = self._clock()
        if began >= self._good_until:
            # What was known is better than nothing, and the tables hold without it.
            with contextlib.suppress(OSError):
                self._known = read_own_addresses(self._proc)
            # A host with a huge routing table takes long to read: then ask less often, not block for it.
            ended = self._clock()
            self._good_until = ended + max(self._refresh, 200 * (ended - began))
        return self._known


def read_own_addresses(proc: Path) -> frozenset[str]:
    """Return this host's own addresses as the kernel's tables below `proc` have them."""
    return frozenset(_own_ipv4((proc / "fib_trie").read_text()) | _own_ipv6((proc / "if_inet6").read_text()))


def _own_ipv4(trie: str) -> set[str]:
    """Return the leaves of the routing trie that are marked as local."""
    found: set[str] = set()
    leaf = ""
    for line in trie.splitlines():
        if line.lstrip().startswith("|-- "):
            leaf = line.split()[-1]
        elif "/32 host LOCAL" in line:
            found.add(leaf)
    return found


def _own_ipv6(table: str) -> set[str]:
    lines = (line.split() for line in table.splitlines())
    texts = (socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[0])) for words in lines if words)
    return {str(parse_address(text)) for text in texts}


class GuardedSocketFactory:
    """Makes the socket of a connection, or raises; for `TCPConnector(socket_factory=...)`.

    Args:
        policy: The rules.
        own: The host's own addresses, refused too.
        receive_buffer: Size in bytes of the kernel's receive buffer; None leaves it to the kernel, which lets it
            grow to megabytes for a server that sends much.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        own: OwnAddresses | None = None,
        receive_buffer: int | None = RECEIVE_BUFFER,
    ) -> None:
        self.policy = policy
        self._own = own or OwnAddresses()
        self._receive_buffer = receive_buffer

    def refuse(self, address: str) -> str | None:
        """Return why no connection may be made to `address` now, or None."""
        return self.policy.refuse(address, own=self._own.current())

    def __call__(self, addr_info: tuple[Any, ...]) -> socket.socket:
        """Return a socket for `addr_info`, a tuple as `socket.getaddrinfo` gives it.

        Raises:
            AddressRefused: The rules refuse the address; an OSError, so that the next one is tried.
        """
        family, kind, protocol, _, sockaddr = addr_info
        self._check(family, sockaddr)
        made = socket.socket(family, kind, protocol)
        if self._receive_buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        return made

    def _check(self, family: int, sockaddr: tuple[Any, ...]) -> None:
        address = str(sockaddr[0])
        if family not in {socket.AF_INET, socket.AF_INET6}:
            raise AddressRefused(address, "of no internet family")
        if family == socket.AF_INET6 and len(sockaddr) > 3 and sockaddr[3]:  # noqa: PLR2004 - the scope's place
            raise AddressRefused(address, "bound to an interface")
        if reason := self.refuse(address):
            raise AddressRefused(address, reason)
