"""Run as a program in a network namespace where every address answers: which of them does the relay's lane reach?

It gets "guarded" or "open" on its command line, asks for every URL of ssrf.json as if nothing had been checked at
registration, and prints what was reached as JSON.
"""

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from relay.http.addresses import AddressPolicy
from relay.http.dns import FilteringResolver
from relay.http.guard import GuardedSocketFactory
from relay.http.transport import Transport
from tests.support.lane import plain_socket, post

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "ssrf.json").read_text(encoding="utf-8"))[
    "vectors"
]
PORT = 8080
EVERYWHERE = (
    ("ip", "link", "set", "lo", "up"),
    ("ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo"),
    ("ip", "-6", "route", "add", "local", "::/0", "dev", "lo"),
)
NAMES = {
    "spoofed.burpcollaborator.net": [["127.0.0.1"]],
    "rebind-2nd.evil.net": [["8.8.4.4"], ["169.254.169.254"]],
    "mixed.evil.net": [["10.0.0.1", "8.8.8.8"]],
    "cname-to-metadata.evil.net": [["169.254.169.254", "fd00:ec2::254"]],
    "redirects.evil.net": [["8.8.8.8"]],
}
INSIDE = (
    "0.255.255.254", "10.1.2.3", "10.255.255.254", "100.64.0.1", "100.100.100.200", "127.255.255.254", "168.63.129.16",
    "169.254.0.1", "169.254.170.2", "172.16.0.1", "172.31.255.254", "192.0.0.1", "192.0.2.1", "192.31.196.1",
    "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.168.255.254", "192.175.48.1", "198.18.0.1", "198.19.255.254",
    "198.51.100.1", "203.0.113.1", "[fc00::1]", "[fdff:ffff::1]", "[2001::1]", "[2001:1ff::1]", "[2001:db8::1]",
    "[2002:7f00:1::1]", "[2002:a00:1::1]", "[3fff:fff::1]", "[2620:4f:8000::2]", "[64:ff9b:1::1]", "[4000::1]", "[::2]",
    "[2600::5efe:10.0.0.1]", "[2600::200:5efe:7f00:1]",
)  # fmt: skip
"""Addresses beside the vectors, near the ends of each block that is closed."""
EXTRA = ("mixed.evil.net", "cname-to-metadata.evil.net", "rebind-2nd.evil.net", "rebind-2nd.evil.net")
REDIRECTS = (301, 302, 303, 307, 308)
LOCATIONS = ("http://169.254.169.254:8080/", "//127.0.0.1:8080/", "http://[::1]:8080/")


class Names(AbstractResolver):
    """Knows names that lead astray, one answer after the other; and numbers as the C library reads them."""

    def __init__(self) -> None:
        self._asked: dict[str, int] = {}

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - as the base class has it
    ) -> list[ResolveResult]:
        """Return what an attacker's name server would."""
        answers = NAMES.get(host)
        if answers is None:
            try:
                found = [socket.inet_ntoa(socket.inet_aton(host))]
            except OSError:
                found = ["127.0.0.1"] if "localhost" in host.lower() else ["169.254.169.254"]
        else:
            number = self._asked.get(host, 0)
            self._asked[host] = number + 1
            found = answers[min(number, len(answers) - 1)]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6,
                proto=0,
                flags=0,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def reached(*, is_guarded: bool) -> dict[str, Any]:
    """Ask for everything; returns the addresses where somebody was asked, and which legitimate URLs were answered."""
    addresses: set[str] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        addresses.add(writer.get_extra_info("sockname")[0].partition("%")[0])
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split()[1].decode()
        status, location = 200, ""
        if path.startswith("/redirect/"):
            _, _, code, place = path.split("/")
            status, location = int(code), f"Location: {LOCATIONS[int(place)]}\r\n"
        writer.write(
            f"HTTP/1.1 {status} X\r\n{location}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    everything = ("0.0.0.0", "::")  # noqa: S104 - of a namespace that nobody else is in
    servers = [await asyncio.start_server(serve, host, PORT) for host in everything]
    policy = AddressPolicy()
    factory = GuardedSocketFactory(policy) if is_guarded else plain_socket
    refuse = policy.refuse if is_guarded else lambda _: None
    names = Names()
    arrived: list[int] = []
    urls = [(each["id"], each["url"]) for each in VECTORS if each["on_the_wire"] != "n/a"]
    urls += [(0, f"http://{name}:{PORT}/") for name in (*INSIDE, *EXTRA)]
    urls += [
        (0, f"http://redirects.evil.net:{PORT}/redirect/{status}/{place}")
        for status in REDIRECTS
        for place in range(len(LOCATIONS))
    ]
    for number, url in urls:
        # A transport each: no cache of names, and no connection, is left from the one before.
        transport = Transport(
            socket_factory=factory,
            resolver=FilteringResolver(names, refuse),
            tls=ssl.create_default_context(),
        )
        async with transport:
            answer = await transport.send(post(url, timeout=2.0, connect_timeout=2.0))
        if number and getattr(answer, "status", None) == 200:
            arrived.append(number)
    for server in servers:
        server.close()
    return {"addresses": sorted(addresses), "arrived": sorted(arrived)}


def main() -> None:
    """Open the namespace, ask, and print."""
    for command in EVERYWHERE:
        subprocess.run(command, check=True)
    print(json.dumps(asyncio.run(reached(is_guarded=sys.argv[1] == "guarded"))))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
