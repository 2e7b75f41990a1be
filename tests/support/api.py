"""A program that uses the API."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from tests.support.admin import Panel


class Program:
    """Asks the API with one token."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self.client = client
        self.headers: Mapping[str, str] = {}

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the answer to a request, which has to have this status."""
        found, answer = await self.try_to_ask(method, path, body, headers=headers)
        assert found == status, answer
        return answer

    async def try_to_ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Return status and answer of a request. Bytes are sent as they are, as JSON."""
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        given = {**({} if data is None else {"Content-Type": "application/json"}), **(headers or {})}
        async with self.client.request(method, f"/api/v1{path}", data=data, headers=given) as response:
            self.headers = response.headers
            return response.status, orjson.loads(await response.read())

    async def all_of(self, path: str) -> list[Any]:
        """Return every item of a list, page by page."""
        items: list[Any] = []
        cursor, joined = "", "&" if "?" in path else "?"
        for _ in range(100):
            page = await self.ask("GET", f"{path}{joined}cursor={cursor}" if cursor else path)
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items
        raise AssertionError("it never ends")


@asynccontextmanager
async def program(panel: Panel, scope: str = "admin", tenant: str | None = None) -> AsyncIterator[Program]:
    """Give a program with a token of its own."""
    async with panel.client(await panel.token(scope, tenant)) as client:
        yield Program(client)
