"""What a connection string says of where the database is, and whether anyone on the way could read along."""

import os
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

VERIFIED = "verify-full"


def database_hosts(dsn: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the hosts of a connection string, without those that are sockets in the file system.

    Where it names none, those count that the environment does, as for the driver.
    """
    parts = urlsplit(dsn)
    hosts = [unquote(host) for host in parts.netloc.rpartition("@")[2].split(",") if host]
    hosts += [host for value in parse_qs(parts.query).get("host", []) for host in value.split(",")]
    hosts = hosts or [host for host in environment.get("PGHOST", "").split(",") if host]
    names = (
        host[1:].partition("]")[0]
        if host.startswith("[")
        else host
        if host.count(":") > 1
        else host.partition(":")[0]
        for host in hosts
    )
    return [name for name in names if name and not name.startswith("/")]


def exposed_hosts(dsn: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the hosts across a network to which the connection is not verified TLS.

    The driver's default falls back to plain text without a word, and weaker modes than `verify-full` let anyone in
    between pose as the server.
    """
    modes = parse_qs(urlsplit(dsn).query).get("sslmode") or [environment.get("PGSSLMODE", "")]
    if modes[-1] == VERIFIED:
        return []
    return [host for host in database_hosts(dsn, environment) if not _is_here(host)]


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
