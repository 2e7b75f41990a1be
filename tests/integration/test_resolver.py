import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from relay.http.addresses import AddressPolicy
from relay.http.dns import NoNameServer, make_resolver
from relay.http.failures import failure_of
from relay.http.guard import AddressRefused

ZONE = {"mixed.test": ["10.0.0.1", "8.8.8.8"], "inside.test": ["10.0.0.1"], "good.test": ["8.8.4.4"]}


class NameServer(asyncio.DatagramProtocol):
    """Answers A questions from the zone; says nothing at all for names under `silent`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.forty_silent = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        labels, place = [], 12
        while data[place]:
            labels.append(data[place + 1 : place + 1 + data[place]].decode())
            place += 1 + data[place]
        name = ".".join(labels)
        self.asked.append(name)
        if name.endswith("silent"):
            if len(set(self.asked)) == 40:
                self.forty_silent.set()
            return
        (kind,) = struct.unpack("!H", data[place + 1 : place + 3])
        addresses = ZONE.get(name, []) if kind == 1 else []
        answers = b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(text) for text in addresses
        )
        code = 0x8180 if name in ZONE else 0x8183
        head = data[:2] + struct.pack("!HHHHH", code, 1, len(addresses), 0, 0)
        self._transport.sendto(head + data[12 : place + 5] + answers, addr)


@pytest.fixture
async def server() -> AsyncIterator[tuple[NameServer, str]]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        NameServer, local_addr=("127.0.0.1", 0)
    )
    yield protocol, f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    transport.close()


async def test_names_are_asked_for_and_refused_addresses_left_out(server: tuple[NameServer, str]) -> None:
    resolver = make_resolver(AddressPolicy().refuse, nameservers=[server[1]])
    try:
        assert [found["host"] for found in await resolver.resolve("mixed.test", 443)] == ["8.8.8.8"]
        with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
            await resolver.resolve("inside.test", 443)
        with pytest.raises(OSError, match=r".+") as missing:
            await resolver.resolve("missing.test", 443)
        assert not isinstance(missing.value, AddressRefused)
    finally:
        await resolver.close()


async def test_no_search_domain_is_tried(
    server: tuple[NameServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALDOMAIN", "corp.test")
    resolver = make_resolver(AddressPolicy().refuse, nameservers=[server[1]])
    try:
        with pytest.raises(OSError, match=r".+"):
            await resolver.resolve("db.default", 443)
        assert set(server[0].asked) == {"db.default"}
    finally:
        await resolver.close()


async def test_forty_silent_names_delay_no_other(server: tuple[NameServer, str]) -> None:
    resolver = make_resolver(AddressPolicy().refuse, nameservers=[server[1]], timeout=30, tries=1)
    silent = [asyncio.create_task(resolver.resolve(f"n{number}.silent", 443)) for number in range(40)]
    try:
        async with asyncio.timeout(5):
            await server[0].forty_silent.wait()
            assert [found["host"] for found in await resolver.resolve("good.test", 443)] == ["8.8.4.4"]
        assert not any(task.done() for task in silent)
    finally:
        for task in silent:
            task.cancel()
        await asyncio.gather(*silent, return_exceptions=True)
        await resolver.close()


async def test_a_name_that_nobody_answers_for_is_the_names_trouble_while_the_server_answers_others(
    server: tuple[NameServer, str],
) -> None:
    resolver = make_resolver(AddressPolicy().refuse, nameservers=[server[1]], timeout=0.1, tries=1)
    try:
        with pytest.raises(OSError, match=r".+") as silent:
            await resolver.resolve("dead.silent", 443)
        assert not isinstance(silent.value, NoNameServer)
        assert not resolver.is_down
    finally:
        await resolver.close()


@pytest.mark.parametrize("is_bound", [True, False], ids=["silent", "refusing"])
async def test_name_servers_that_answer_nothing_are_our_own_trouble(is_bound: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        if not is_bound:
            nobody.close()
        resolver = make_resolver(AddressPolicy().refuse, nameservers=[address], timeout=0.1, tries=1)
        try:
            with pytest.raises(NoNameServer) as trouble:
                await resolver.resolve("good.test", 443)
            assert resolver.is_down
            assert failure_of(trouble.value).is_own_fault
        finally:
            await resolver.close()


async def test_ten_thousand_questions_leave_no_descriptor_open(server: tuple[NameServer, str]) -> None:
    resolver = make_resolver(AddressPolicy().refuse, nameservers=[server[1]])

    async def ask(number: int) -> None:
        name = "good.test" if number % 2 else f"missing-{number}.test"
        with contextlib.suppress(OSError):
            await resolver.resolve(name, 443)

    try:
        await ask(1)
        before = descriptors()
        for start in range(0, 10_000, 500):
            await asyncio.gather(*(ask(number) for number in range(start, start + 500)))
        assert descriptors() <= before + 2
    finally:
        await resolver.close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
