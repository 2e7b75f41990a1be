"""Ports for servers that must be told theirs before they start."""

import random
import socket
from pathlib import Path

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
_TRIES = 100


def free_port() -> int:
    """Return a port of loopback that nobody listens on.

    It is none of those that the kernel gives to whoever asks for any: until the server is there that it is for, some
    other test would get it, and answer in its place.
    """
    first = int(_EPHEMERAL.read_text(encoding="ascii").split()[0])
    for _ in range(_TRIES):
        port = random.randrange(_LOWEST, max(first, _LOWEST + 1000))  # noqa: S311 - no secret
        with socket.socket() as found:
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
