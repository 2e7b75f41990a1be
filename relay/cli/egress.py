"""Where the service may connect to, for systemd: public addresses, and what its configuration needs besides."""

import socket
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

from relay.config import ConfigError, Settings, load
from relay.config_places import is_local
from relay.http.addresses import public_networks
from relay.store.dsn import database_hosts

Complain = Callable[[str], None]

A_LINE = 8
"""Networks on one line, so that people can read them."""


_HEAD = """\
# Closed, both ways, but for this host, public addresses, and what `relay systemd install --egress` found in the
# configuration or was told: a second line behind the relay's own guard. Run it again when these change.
IPAddressDeny=any
IPAddressAllow=localhost
"""


def egress_lines(root: Path, told: Iterable[str], complain: Complain) -> str:
    """Return the lines of a unit that close it but for what it needs.

    Args:
        root: Whose `etc/relay/*.toml` and `etc/resolv.conf` count.
        told: More networks.
        complain: Told what could not be found out.
    """
    allowed = [str(network) for network in public_networks()]
    wanted = dict.fromkeys([*told, *_name_servers(root / "etc/resolv.conf")])
    for path in sorted((root / "etc/relay").glob("*.toml")):
        try:
            settings = load(path).settings
        except (ConfigError, OSError) as error:
            complain(f"{path} cannot be read, so what it needs is not allowed: {error}")
            continue
        wanted |= dict.fromkeys(_of(settings, complain))
    return _HEAD + "".join(
        f"IPAddressAllow={' '.join(networks[start : start + A_LINE])}\n"
        for networks in (allowed, list(wanted))
        for start in range(0, len(networks), A_LINE)
    )


def _of(settings: Settings, complain: Complain) -> Iterator[str]:
    yield from (str(network) for network in settings.security.allow_cidrs)
    if not settings.database.dsn.get_secret_value():
        complain(
            "the file does not say where the database is; if it is across a private network, add --allow ADDRESS"
        )
    for what, place in (("metrics are", settings.metrics.listen), ("the panel is", settings.admin.listen)):
        if not is_local(place):
            complain(f"{what} served to other machines; if these have private addresses, add --allow NETWORK")
    for dsn in (settings.database.dsn, settings.database.reader_dsn):
        for host in database_hosts(dsn.get_secret_value()):
            try:
                found = {info[4][0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
            except OSError as error:
                complain(f"the database's host {host} is not found ({error}), so its address is not allowed")
            else:
                yield from sorted(str(address) for address in found)


def _name_servers(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for words in (line.split() for line in lines):
        if len(words) > 1 and words[0] == "nameserver":
            try:
                yield str(ip_address(words[1].partition("%")[0]))
            except ValueError:
                continue
