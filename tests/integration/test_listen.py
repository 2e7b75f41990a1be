import asyncio
import io
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from relay.http.signature import SignatureFormat, parse_secret, sign

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
LIMIT = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A running `relay listen`."""

    process: asyncio.subprocess.Process
    url: str

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), LIMIT)).decode()

    async def seen(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await self.line())
        return answer


async def start(*options: str) -> asyncio.subprocess.Process:
    code = "from relay.cli.listen import listen; listen(prog_name='relay listen')"
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-c", code, *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
    )


@asynccontextmanager
async def listening(*options: str) -> AsyncIterator[Listener]:
    process = await start("--port", "0", *options)
    try:
        assert process.stderr is not None
        said = (await asyncio.wait_for(process.stderr.readline(), LIMIT)).decode()
        assert said.startswith("Listening on http://127.0.0.1:"), said
        yield Listener(process=process, url=said.split()[2])
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def headers_for(body: bytes, *secrets: str, fmt: str = "both") -> dict[str, str]:
    signed = sign(
        "evt_1", int(time.time()), body, [parse_secret(text) for text in secrets], SignatureFormat(fmt)
    )
    return {
        "X-Webhook-Id": "evt_1",
        "X-Webhook-Event": "invoice.paid",
        "X-Webhook-Attempt": "2",
        **dict(signed),
    }


async def post(url: str, body: bytes | io.BytesIO, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
        return response.status


async def test_it_verifies_both_formats_and_says_what_came() -> None:
    async with listening("--secret", SECRET, "-o", "jsonl") as listener:
        body = b'{"id": 42}'
        assert await post(listener.url + "hook?a=b", body, headers_for(body, OTHER, SECRET)) == 200
        assert await listener.seen() == {
            "number": 1,
            "method": "POST",
            "path": "/hook?a=b",
            "event_id": "evt_1",
            "event_type": "invoice.paid",
            "attempt": "2",
            "signatures": {"standard": "ok", "x-webhook": "ok"},
            "status": 200,
            "body": '{"id": 42}',
            "body_base64": None,
        }


async def test_a_wrong_or_missing_signature_is_answered_401() -> None:
    async with listening("--secret", SECRET, "-o", "jsonl") as listener:
        assert await post(listener.url, b"x", headers_for(b"y", SECRET)) == 401
        assert (await listener.seen())["signatures"] == {
            "standard": "signature_mismatch",
            "x-webhook": "signature_mismatch",
        }
        assert await post(listener.url, b"x", {}) == 401
        assert (await listener.seen())["signatures"] == {"standard": "absent", "x-webhook": "absent"}
        half = headers_for(b"x", SECRET, fmt="standard")
        assert await post(listener.url, b"x", half) == 200
        assert (await listener.seen())["signatures"] == {"standard": "ok", "x-webhook": "absent"}


async def test_without_a_secret_it_takes_everything_and_says_that_nothing_was_checked() -> None:
    async with listening("-o", "jsonl") as listener:
        assert await post(listener.url, b"\xff\xfe", headers_for(b"", SECRET)) == 200
        seen = await listener.seen()
        assert seen["signatures"] == {"standard": "unchecked", "x-webhook": "unchecked"}
        assert (seen["body"], seen["body_base64"]) == (None, "//4=")


async def test_it_fails_the_first_requests_and_then_answers_as_told() -> None:
    async with listening("--fail-first", "2", "--status", "202", "-o", "jsonl") as listener:
        assert [await post(listener.url, b"", {}) for _ in range(4)] == [503, 503, 202, 202]


async def test_a_body_that_is_too_large_is_refused_and_it_goes_on() -> None:
    async with listening("-o", "jsonl") as listener:
        assert await post(listener.url, io.BytesIO(b"x" * (1024 * 1024 + 1)), {}) == 413
        assert await post(listener.url, b"x", {}) == 200
        assert (await listener.seen())["number"] == 1


async def test_people_get_a_block_in_which_nothing_steers_the_terminal() -> None:
    async with listening("--secret", SECRET, "-o", "table") as listener:
        body = '{"note": "[red]\\u001b[2J\u202e", "list": [1]}'.encode()
        headers = headers_for(body, SECRET) | {"X-Webhook-Event": "[bold]paid"}
        assert await post(listener.url + "hook", body, headers) == 200
        lines: list[str] = []
        while not lines or lines[-1].strip():
            lines.append(await listener.line())
        block = "".join(lines)
        assert "#1 POST /hook" in block
        assert "[bold]paid  evt_1  attempt 2" in block
        assert [line.split()[1:] for line in lines if line.startswith("signature")] == [
            ["standard", "ok"],
            ["x-webhook", "ok"],
        ]
        assert '"note": "[red]\\u001b[2J\\u202e"' in block
        assert "\x1b" not in block
        assert "\u202e" not in block


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_ends_it_cleanly(number: signal.Signals) -> None:
    async with listening("-o", "jsonl") as listener, aiohttp.ClientSession() as session:
        async with session.post(listener.url, data=b"x") as response:
            assert response.status == 200
        listener.process.send_signal(number)
        _, errors = await asyncio.wait_for(listener.process.communicate(), LIMIT)
        assert (listener.process.returncode, errors) == (0, b"")


async def test_a_port_in_use_is_told() -> None:
    async with listening() as listener:
        port = listener.url.rstrip("/").rpartition(":")[2]
        second = await start("--port", port)
        _, errors = await asyncio.wait_for(second.communicate(), LIMIT)
        assert second.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}".encode() in errors


async def test_a_text_that_is_no_secret_is_a_usage_error() -> None:
    process = await start("--secret", "canary")
    _, errors = await asyncio.wait_for(process.communicate(), LIMIT)
    assert process.returncode == 2
    assert b"whsec_" in errors
    assert b"canary" not in errors
