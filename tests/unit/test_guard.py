import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.http.addresses import AddressPolicy
from relay.http.dns import FilteringResolver
from relay.http.guard import (
    AddressRefused,
    GuardedSocketFactory,
    OwnAddresses,
    is_refusal,
    read_own_addresses,
)

CLOSED = AddressPolicy()
LOOPBACK = AddressPolicy(allow_cidrs=("127.0.0.0/8",))


def simple_ipv4(value: int) -> bool:
    """Say whether an IPv4 address is global, by first and last numbers: another spelling of the table."""
    a, b, c, _ = value.to_bytes(4, "big")
    closed = (
        a in {0, 10, 127} or a >= 224,
        a == 100 and 64 <= b <= 127,
        a == 169 and b == 254,
        a == 172 and 16 <= b <= 31,
        a == 192 and b == 168,
        (a, b, c)
        in {(192, 0, 0), (192, 0, 2), (192, 31, 196), (192, 52, 193), (192, 88, 99), (192, 175, 48)},
        a == 198 and b in {18, 19},
        (a, b, c) in {(198, 51, 100), (203, 0, 113)},
        value == 0xA83F8110,
    )
    return not any(closed)


def simple_ipv6(value: int) -> bool:
    """Say the same of an IPv6 address."""
    groups = [value >> shift & 0xFFFF for shift in range(112, -1, -16)]
    closed = (
        not 0x2000 <= groups[0] <= 0x3FFF,
        groups[0] == 0x2001 and groups[1] < 0x200,
        groups[:2] == [0x2001, 0x0DB8],
        groups[0] == 0x2002,
        groups[0] == 0x3FFF and groups[1] < 0x1000,
        groups[:3] == [0x2620, 0x4F, 0x8000],
        groups[4] in {0, 0x200} and groups[5] == 0x5EFE,
    )
    return not any(closed)


EDGES_IPV4 = """
    1.0.0.0 10.0.0.0 11.0.0.0 100.64.0.0 100.128.0.0 127.0.0.0 128.0.0.0 168.63.129.16 169.254.0.0
    169.255.0.0 172.16.0.0 172.32.0.0 192.0.0.0 192.0.1.0 192.0.2.0 192.0.3.0 192.88.99.0 192.88.100.0
    192.168.0.0 192.169.0.0 198.18.0.0 198.20.0.0 198.51.100.0 198.51.101.0 203.0.113.0 203.0.114.0
    224.0.0.0 240.0.0.0 192.31.196.0 192.52.193.0 192.175.48.0
"""
EDGES_IPV6 = """
    ::1 ::1:0:0 ::ffff:0:0 64:ff9b:: 100:: 2000:: 2001:: 2001:200:: 2001:db8:: 2001:db9:: 2002:: 2003::
    2620:4f:8000:: 2620:4f:8001:: 3fff:: 3fff:1000:: 4000:: fc00:: fe80:: ff00:: 2606:4700::5efe:0:0
    2606:4700:0:0:200:5efe:0:0
"""


def around(edges: str, address: type[IPv4Address | IPv6Address]) -> list[int]:
    return [int(address(text)) + offset for text in edges.split() for offset in (-1, 0, 1)]


PREFIXES = st.sampled_from([0x2001, 0x2002, 0x2606, 0x2620, 0x3FFF, 0x2A00, 0xFD00, 0x64, 0])
IPV6 = st.one_of(
    st.integers(0, 2**128 - 1),
    st.builds(lambda prefix, rest: prefix << 112 | rest, PREFIXES, st.integers(0, 2**112 - 1)),
    st.builds(
        lambda rest, tail: 0x2606 << 112 | rest << 64 | 0x5EFE << 32 | tail,
        st.integers(0, 2**48 - 1),
        st.integers(0, 2**32 - 1),
    ),
)


@pytest.mark.parametrize("value", around(EDGES_IPV4, IPv4Address), ids=lambda value: str(IPv4Address(value)))
def test_the_edges_of_the_ipv4_table_are_right(value: int) -> None:
    assert (CLOSED.refuse(str(IPv4Address(value))) is None) == simple_ipv4(value)


@pytest.mark.parametrize("value", around(EDGES_IPV6, IPv6Address), ids=lambda value: str(IPv6Address(value)))
def test_the_edges_of_the_ipv6_table_are_right(value: int) -> None:
    assert (CLOSED.refuse(str(IPv6Address(value))) is None) == simple_ipv6(value)


@given(st.integers(0, 2**32 - 1))
def test_any_ipv4_address_is_judged_like_the_simple_table(value: int) -> None:
    assert (CLOSED.refuse(str(IPv4Address(value))) is None) == simple_ipv4(value)


@given(IPV6)
@example(1 << 32)
def test_any_ipv6_address_is_judged_like_the_simple_table_however_it_is_written(value: int) -> None:
    address = IPv6Address(value)
    tail = IPv4Address(value & 0xFFFFFFFF)
    head = ":".join(address.exploded.split(":")[:6])
    for text in (str(address), address.exploded, str(address).upper(), f"{head}:{tail}"):
        assert (CLOSED.refuse(text) is None) == simple_ipv6(value), text


@pytest.mark.full
@pytest.mark.timeout(600)
@settings(max_examples=100_000, deadline=None)
@given(st.integers(0, 2**32 - 1), IPV6)
def test_a_hundred_thousand_addresses_are_judged_like_the_simple_tables(v4: int, v6: int) -> None:
    assert (CLOSED.refuse(str(IPv4Address(v4))) is None) == simple_ipv4(v4)
    address = IPv6Address(v6)
    for text in (str(address), address.exploded, str(address).upper()):
        assert (CLOSED.refuse(text) is None) == simple_ipv6(v6), text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "example.com",
        "8.8.8.8 ",
        "8.8.8.8\n",
        "8.8.8",
        "8.8.8.08",
        "0x8.8.8.8",
        "134744072",
        "8.8.8.8%eth0",
        "fe80::1%eth0",
        "2606:4700::1%1",
        "2606:4700::1%",
        "[2606:4700::1]",
        "\uff12.2.2.2",
        "/run/x.sock",
    ],
    ids=ascii,
)
def test_what_is_no_plain_address_is_refused_even_when_everything_is_open(text: str) -> None:
    assert AddressPolicy(allow_cidrs=("0.0.0.0/0", "::/0")).refuse(text) == "not a plain IP address"


@pytest.mark.parametrize(
    "text",
    [
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "fd00::5efe:7f00:1",
        "fd00::200:5efe:7f00:1",
    ],
)
def test_no_setting_opens_a_form_that_carries_an_ipv4_address(text: str) -> None:
    assert AddressPolicy(allow_cidrs=("0.0.0.0/0", "::/0")).refuse(text)


def test_allowed_networks_open_what_they_name_and_no_more() -> None:
    policy = AddressPolicy(allow_cidrs=("127.0.0.0/8", "fd00:1::/32", "::1/128"))
    assert [policy.refuse(text) for text in ("127.9.9.9", "fd00:1::5", "::1", "8.8.8.8")] == [None] * 4
    assert policy.refuse("10.0.0.1") == "private"
    assert policy.refuse("fd00:2::1") == "private (unique local)"


def test_denied_networks_beat_allowed_ones() -> None:
    policy = AddressPolicy(allow_cidrs=("10.0.0.0/8",), deny_cidrs=("10.0.0.0/30", "1.1.1.1/32"))
    assert policy.refuse("10.0.0.4") is None
    assert policy.refuse("10.0.0.3") == "closed by deny_cidrs"
    assert policy.refuse("1.1.1.1") == "closed by deny_cidrs"


def test_own_addresses_are_refused_unless_they_are_opened_on_purpose() -> None:
    own = {"8.8.8.8", "2606:4700::1"}
    assert CLOSED.refuse("8.8.8.8", own=own) == "this host's own address"
    assert CLOSED.refuse("2606:4700:0::0:1", own=own) == "this host's own address"
    assert CLOSED.refuse("8.8.4.4", own=own) is None
    assert AddressPolicy(allow_cidrs=("8.8.8.8/32",)).refuse("8.8.8.8", own=own) is None


@pytest.mark.parametrize("text", ["10.0.0.1/8", "all", "", "10.0.0.0/33", "::/129"])
def test_a_network_that_is_none_is_told_at_once(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        AddressPolicy(allow_cidrs=(text,))
    with pytest.raises(ValueError, match=r".+"):
        AddressPolicy(deny_cidrs=(text,))


def test_this_hosts_addresses_are_found() -> None:
    found = OwnAddresses().current()
    assert "127.0.0.1" in found
    assert all(IPv4Address(text) if "." in text else IPv6Address(text) for text in found)


FIB_TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 203.0.112.0/24 2 0 2
        |-- 203.0.112.0
           /24 link UNICAST
        |-- 203.0.112.9
           /32 host LOCAL
        |-- 203.0.112.255
           /32 link BROADCAST
Local:
     |-- 0.0.0.0
        /0 host LOCAL
"""
IF_INET6 = "20010db8000000000000000000000002 04 40 00 80     eth0\n"


def test_own_addresses_are_those_that_the_kernel_marks_local(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(FIB_TRIE)
    (tmp_path / "if_inet6").write_text(IF_INET6)
    assert read_own_addresses(tmp_path) == {"203.0.112.9", "2001:db8::2"}


def test_own_addresses_are_read_again_after_a_while_and_kept_when_that_fails(tmp_path: Path) -> None:
    now = 0.0
    own = OwnAddresses(refresh=10, clock=lambda: now, proc=tmp_path)
    assert own.current() == frozenset()
    (tmp_path / "fib_trie").write_text(FIB_TRIE)
    (tmp_path / "if_inet6").write_text("")
    assert own.current() == frozenset()
    now = 11.0
    assert own.current() == {"203.0.112.9"}
    (tmp_path / "fib_trie").unlink()
    now = 22.0
    assert own.current() == {"203.0.112.9"}


def info(family: int, *sockaddr: object) -> tuple[Any, ...]:
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", sockaddr)


@pytest.mark.parametrize(
    "addr_info",
    [
        info(socket.AF_INET, "127.0.0.1", 80),
        info(socket.AF_INET, "0x7f.1", 80),
        info(socket.AF_INET, "localhost", 80),
        info(socket.AF_INET, "8.8.8.8%lo", 80),
        info(socket.AF_INET6, "::1", 80, 0, 0),
        info(socket.AF_INET6, "::ffff:8.8.8.8", 80, 0, 0),
        info(socket.AF_INET6, "2606:4700::1", 80, 0, 1),
        info(socket.AF_INET6, "2606:4700::1%lo", 80, 0, 0),
        info(socket.AF_UNIX, "/run/docker.sock"),
    ],
    ids=lambda value: str(value[4][0]),
)
def test_no_socket_is_made_for_a_refused_address(addr_info: tuple[Any, ...]) -> None:
    with pytest.raises(AddressRefused, match="destination_not_allowed") as refused:
        GuardedSocketFactory(CLOSED)(addr_info)
    assert refused.value.address == addr_info[4][0]
    assert isinstance(refused.value, OSError)
    assert is_refusal(refused.value)


def test_a_socket_is_made_for_an_allowed_address_with_the_buffer_asked_for() -> None:
    factory = GuardedSocketFactory(CLOSED, receive_buffer=8192)
    with factory(info(socket.AF_INET, "8.8.8.8", 443)) as made:
        assert (made.family, made.type) == (socket.AF_INET, socket.SOCK_STREAM)
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * 8192
    with factory(info(socket.AF_INET6, "2606:4700::1", 443, 0, 0)) as made:
        assert made.family == socket.AF_INET6


def test_an_ordinary_error_is_no_refusal() -> None:
    assert not is_refusal(None)
    assert not is_refusal(ConnectionRefusedError(errno.ECONNREFUSED, "refused"))
    assert not is_refusal(OSError("Multiple exceptions: one refused, one reset"))


class FixedResolver(AbstractResolver):
    """Answers every question with the same addresses."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses
        self.closed = False

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - the interface's
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        self.closed = True


class Server:
    """A local HTTP server that counts connections."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made


@asynccontextmanager
async def client(policy: AddressPolicy, resolver: AbstractResolver) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(socket_factory=GuardedSocketFactory(policy), resolver=resolver)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


@pytest.mark.parametrize("host", ["127.0.0.1", "name.test"])
async def test_aiohttp_reaches_no_refused_address_by_literal_or_name(server: Server, host: str) -> None:
    async with client(CLOSED, FixedResolver("127.0.0.1")) as session:
        with pytest.raises(aiohttp.ClientError) as failed:
            await session.post(f"http://{host}:{server.port}/")
    assert server.connections == 0
    assert is_refusal(failed.value)
    assert "destination_not_allowed" in str(failed.value)


async def test_a_refusal_stays_one_when_several_addresses_are_refused(server: Server) -> None:
    async with client(CLOSED, FixedResolver("127.0.0.1", "10.0.0.1", "::1")) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as failed:
            await session.post(f"http://name.test:{server.port}/")
    assert server.connections == 0
    assert is_refusal(failed.value)


async def test_the_next_address_is_tried_when_one_is_refused(server: Server) -> None:
    async with (
        client(LOOPBACK, FixedResolver("10.0.0.1", "::1", "127.0.0.1")) as session,
        session.post(f"http://name.test:{server.port}/") as response,
    ):
        assert response.status == 204
    assert server.connections == 1


async def test_an_opened_literal_address_is_reached(server: Server) -> None:
    async with (
        client(LOOPBACK, FixedResolver()) as session,
        session.post(f"http://127.0.0.1:{server.port}/") as response,
    ):
        assert response.status == 204


async def test_the_resolver_leaves_out_refused_addresses() -> None:
    resolver = FilteringResolver(FixedResolver("10.0.0.1", "8.8.8.8", "::1"), CLOSED.refuse)
    assert [found["host"] for found in await resolver.resolve("name.test")] == ["8.8.8.8"]


async def test_the_resolver_says_so_when_all_are_refused() -> None:
    inner = FixedResolver("10.0.0.1", "::1")
    resolver = FilteringResolver(inner, CLOSED.refuse)
    with pytest.raises(AddressRefused, match=r"name\.test .*10\.0\.0\.1 \(private\)") as refused:
        await resolver.resolve("name.test")
    assert is_refusal(refused.value)
    await resolver.close()
    assert inner.closed


async def test_a_refusal_by_the_resolver_is_known_as_one_through_aiohttp() -> None:
    refuse: Callable[[str], str | None] = GuardedSocketFactory(CLOSED).refuse
    async with client(CLOSED, FilteringResolver(FixedResolver("10.0.0.1"), refuse)) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as failed:
            await session.post("http://name.test:8080/")
    assert is_refusal(failed.value)
