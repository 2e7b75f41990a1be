"""The example receivers run as they are printed, and answer real signed requests over HTTP."""

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support.database import connected
from tests.support.examples import EXAMPLES, running_example
from tests.support.inbox import signed
from tests.support.waiting import eventually

BODY = b'{"invoice": 7,  "paid": true}'


async def in_pieces() -> AsyncIterator[bytes]:
    """Yield a body that is too large and says nothing of its length."""
    for _ in range(17):
        yield b"x" * 64 * 1024


def test_there_is_one_for_each_framework() -> None:
    assert {name.removesuffix("_receiver") for name in EXAMPLES} == {
        *("aiohttp", "asgi", "django", "fastapi", "flask", "wsgi")
    }


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_takes_each_event_once_and_refuses_what_is_wrong(
    name: str, empty_database: str
) -> None:
    async with (
        running_example(name, empty_database) as example,
        aiohttp.ClientSession() as session,
        connected(empty_database) as connection,
    ):

        async def post(
            body: bytes | io.BytesIO | AsyncIterator[bytes], headers: dict[str, str]
        ) -> tuple[int, str]:
            async with session.post(example.url, data=body, headers=headers) as response:
                return response.status, (await response.text()).strip()

        headers = signed(BODY, "evt_1", X_Webhook_Sequence="3")
        together = await asyncio.gather(*(post(BODY, headers) for _ in range(10)))
        assert sorted(together) == [(200, "duplicate")] * 9 + [(200, "stored")]

        assert await post(BODY + b" ", headers) == (400, "not verified: signature_mismatch")
        assert await post(BODY, {}) == (400, "not verified: missing_header")
        assert (await post(io.BytesIO(b"x" * (1024**2 + 1)), headers))[0] == 413
        assert (await post(in_pieces(), headers))[0] == 413
        assert (await post(BODY, headers | {"Content-Encoding": "gzip"}))[0] == 415
        async with session.get(example.url) as response:
            assert response.status == 405
            assert "POST" in response.headers["Allow"]

        await eventually(
            lambda: connection.fetchval("select true from relay_inbox.event where state = 'done'"),
            "it is done",
        )
        rows = await connection.fetch("select event_id, invoice, version from booking")
        assert [tuple(row) for row in rows] == [("evt_1", "7", 3)]
        assert await example.terminate() in {0, -15}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_what_an_example_had_stored_when_it_was_killed_is_handled_by_the_next(
    name: str, empty_database: str
) -> None:
    async with running_example(name, empty_database) as example, connected(empty_database) as connection:
        # Whoever wants to book waits for this: so the handlers are in the middle of it when they die.
        async with aiohttp.ClientSession() as session, connection.transaction():
            await connection.execute("lock table booking in share mode")
            for number in range(5):
                headers = signed(b"{}", f"evt_{number}")
                async with session.post(example.url, data=b"{}", headers=headers) as response:
                    assert response.status == 200
            await eventually(
                lambda: connection.fetchval("select count(*) > 0 from pg_locks where not granted"),
                "one waits",
            )
            await example.kill()
        await example.start()

        await eventually(
            lambda: connection.fetchval("select count(*) = 5 from relay_inbox.event where state = 'done'"),
            "all are done",
        )
        found = [row["event_id"] for row in await connection.fetch("select event_id from booking")]
        assert sorted(found) == [f"evt_{number}" for number in range(5)]
