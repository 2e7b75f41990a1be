"""The panel and its API of a real daemon, and clients that ask them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.support.daemon import Daemon, Sections
from tests.support.world import World

LISTEN: Sections = {"admin": {"listen": "127.0.0.1:0"}}
LIMIT = aiohttp.ClientTimeout(total=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel that is served.

    Attributes:
        world: The parties of the test.
        daemon: Serves it.
        base: Where, as "http://127.0.0.1:PORT".
    """

    world: World
    daemon: Daemon
    base: str

    async def token(self, scope: str = "admin", tenant: str | None = None) -> str:
        """Make a token and return it."""
        options = () if tenant is None else ("--tenant", tenant)
        made = await self.world.relay("token", "create", "test", "--scope", scope, *options, "-o", "json")
        secret: str = made["secret"]
        return secret

    async def link(self, scope: str = "admin") -> str:
        """Return a link that signs a browser in, once."""
        port = self.base.rpartition(":")[2]
        return await self.world.relay_text(
            "token", "link", "--scope", scope, "--url", f"http://127.0.0.1:{port}"
        )

    @asynccontextmanager
    async def client(self, token: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
        """Give a client that shows this token, if any; paths begin with "/"."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(self.base, headers=headers, timeout=LIMIT) as client:
            yield client

    @asynccontextmanager
    async def browser(self, token: str) -> AsyncIterator["Browser"]:
        """Give somebody without JavaScript who is signed in."""
        jar = aiohttp.CookieJar(unsafe=True)  # it is an address, not a name
        async with aiohttp.ClientSession(self.base, cookie_jar=jar, timeout=LIMIT) as client:
            browser = Browser(client, self.base)
            await browser.submit("/sign-in", {"token": token})
            yield browser


class Browser:
    """Reads pages and submits forms, each with what the page had for it.

    Attributes:
        at: The path of the page that was read last.
    """

    def __init__(self, client: aiohttp.ClientSession, base: str) -> None:
        self.client = client
        self._base = base
        self.csrf_token = ""
        self.at = ""

    async def read(self, path: str, status: int = 200) -> str:
        """Return a page."""
        async with self.client.get(path) as response:
            text = await response.text()
            assert response.status == status, text
            self.at = response.url.path
        found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', text)
        self.csrf_token = found[1] if found else self.csrf_token
        return text

    async def submit(self, path: str, fields: dict[str, Any], status: int = 200) -> str:
        """Submit a form, follow where it leads, and return that page."""
        data = {"csrf_token": self.csrf_token, **fields}
        async with self.client.post(path, data=data, headers={"Origin": self._base}) as response:
            text = await response.text()
            assert response.status == status, text
            self.at = response.url.path
        found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', text)
        self.csrf_token = found[1] if found else self.csrf_token
        return text


async def open_panel(world: World, sections: Sections | None = None, *, dsn: str | None = None) -> Panel:
    """Start a daemon with a panel on a free port; `dsn` is another way to the database."""
    layers = {key: dict(value) for key, value in (sections or {}).items()}
    layers["admin"] = {**LISTEN["admin"], **layers.get("admin", {})}
    daemon = await world.start(layers, dsn=dsn)
    line = await daemon.wait_for_log("admin.listening")
    return Panel(world=world, daemon=daemon, base=f"http://{line['place']}")


@pytest.fixture
async def panel(world: World) -> Panel:
    """Provide the panel of a fresh daemon."""
    return await open_panel(world)
