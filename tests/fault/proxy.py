"""A TCP proxy in front of PostgreSQL that can stop passing bytes on, in either direction, or reset connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Flag, auto
from pathlib import Path

_CHUNK = 65536


class Way(Flag):
    """Directions of a connection."""

    TO_SERVER = auto()
    TO_CLIENT = auto()
    BOTH = TO_SERVER | TO_CLIENT


class Link:
    """One connection through the proxy.

    Attributes:
        name: The client's application_name, once it has told it.
    """

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._client = client
        self._server = server
        self._open = {Way.TO_SERVER: asyncio.Event(), Way.TO_CLIENT: asyncio.Event()}
        self.name = ""
        self.pass_on()

    def hold(self, ways: Way) -> None:
        """Keep what comes along these ways, the end of the connection included."""
        for way in ways:
            self._open[way].clear()

    def pass_on(self) -> None:
        """Let everything through, also what was kept."""
        for gate in self._open.values():
            gate.set()

    def reset(self) -> None:
        """Break both halves."""
        for _, writer in (self._client, self._server):
            writer.transport.abort()
        self.pass_on()

    async def run(self) -> None:
        """Pass bytes on until one side ends."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._carry(self._client[0], self._server[1], Way.TO_SERVER))
            tasks.create_task(self._carry(self._server[0], self._client[1], Way.TO_CLIENT))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if not self.name and way == Way.TO_SERVER:
                    self.name = _application_name(data)
                await self._open[way].wait()
                writer.write(data)
                await writer.drain()
        await self._open[way].wait()
        writer.close()


class Proxy:
    """Listens on a free port of loopback.

    Attributes:
        links: The connections there are.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._ways = Way(0)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.links: set[Link] = set()

    @property
    def dsn(self) -> str:
        """The way to the database `relay` through here."""
        port = self._server.sockets[0].getsockname()[1]
        return f"postgresql://postgres@127.0.0.1:{port}/relay?sslmode=disable"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        self._server.close()
        while self._tasks:
            self.reset()  # again, since one may have been about to reach the server
            await asyncio.wait(self._tasks, timeout=0.1)
        await self._server.wait_closed()

    def hold(self, ways: Way, *, only: Callable[[Link], bool] | None = None) -> None:
        """Become a black hole, for new connections as well; or only for some of those there are."""
        if only is None:
            self._ways = ways
        for link in self.links:
            if only is None or only(link):
                link.hold(ways)

    def pass_on(self) -> None:
        """Let everything through again."""
        self._ways = Way(0)
        for link in self.links:
            link.pass_on()

    def reset(self) -> None:
        """Break every connection there is."""
        for link in self.links:
            link.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            server = await asyncio.open_unix_connection(self._socket)
        except OSError:
            writer.transport.abort()
        else:
            await self._link((reader, writer), server)
        finally:
            self._tasks.discard(task)

    async def _link(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        link = Link(client, server)
        link.hold(self._ways)
        self.links.add(link)
        try:
            await link.run()
        finally:
            self.links.discard(link)


def _application_name(startup: bytes) -> str:
    """Return the name in a startup message, whose parameters are strings that end with a zero."""
    words = startup.split(b"\0")
    marker = b"application_name"
    return words[words.index(marker) + 1].decode() if marker in words else ""


@asynccontextmanager
async def proxy_to(socket: Path) -> AsyncIterator[Proxy]:
    """Run a proxy to a server's socket for the length of the block."""
    proxy = Proxy(socket)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
