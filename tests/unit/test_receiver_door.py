"""Who is let in and what is answered, in whatever framework: the rules, and each adapter around them."""

import asyncio
import io
import logging
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.receiver import AllowList, InboxUnavailable, Receipt, VerificationError, Verified
from relay.receiver.adapters.aiohttp import aiohttp_route
from relay.receiver.adapters.asgi import AsgiReceiver
from relay.receiver.adapters.door import Answer, Door, Head, Verifier
from relay.receiver.adapters.wsgi import WsgiReceiver
from tests.support.application import SECRET
from tests.support.inbox import signed
from tests.support.taken import Taken

JSON = ("content-type", "application/json")
GOOD, BAD, PROXY = "203.0.113.7", "198.51.100.9", "127.0.0.1"


def post(*headers: tuple[str, str], method: str = "POST", peer: str | None = PROXY) -> Head:
    return Head(method=method, headers=headers, peer=peer)


# The rules.


@pytest.mark.parametrize(
    ("receipt", "error", "status", "text"),
    [
        (Receipt.STORED, None, 200, "stored"),
        (Receipt.DUPLICATE, None, 200, "duplicate"),
        (Receipt.REPEATED, None, 409, "this was signed for another id; sign it anew"),
        (Receipt.STORED, VerificationError("no_signature", "canary"), 400, "not verified: no_signature"),
        (Receipt.STORED, VerificationError("invalid_secret", "canary"), 500, "the receiver failed"),
        (Receipt.STORED, InboxUnavailable("canary"), 503, "come again"),
        (Receipt.STORED, ValueError("canary"), 500, "the receiver failed"),
    ],
)
async def test_each_outcome_has_its_answer_and_none_tells_what_is_inside(
    receipt: Receipt, error: Exception | None, status: int, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, "relay.receiver"):
        answer = await Door(Taken(receipt, error)).take(b"", [])

    assert (answer.status, answer.text) == (status, text)
    assert b"canary" not in answer.body
    assert ("retry-after" in dict(answer.headers)) is (status == 503)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (post(method="GET"), 405),
        (post(method="PUT"), 405),
        (post(JSON, ("Content-Length", "11")), 413),
        (post(JSON, ("content-length", "9" * 40)), 413),
        (post(("Content-Encoding", "gzip")), 415),
        (post(("content-encoding", "identity"), ("content-encoding", "br")), 415),
        (post(("content-type", "text/plain")), 415),
        (post(("content-type", "application/json"), ("content-type", "application/json")), 415),
        (post(), 415),
    ],
)
def test_what_may_not_come_in_is_refused_before_its_body_is_read(head: Head, status: int) -> None:
    refusal = Door(Taken(), max_body=10, content_types=["application/json"]).refusal(head)

    assert refusal is not None
    assert refusal.status == status


def test_what_may_come_in_does() -> None:
    head = post(("Content-Type", "Application/JSON; charset=utf-8"), ("Content-Length", "10"))

    assert Door(Taken(), max_body=10, content_types=["application/json"]).refusal(head) is None
    assert Door(Taken()).refusal(post()) is None


async def test_verification_alone_hands_on_what_is_verified() -> None:
    got: list[tuple[Verified, bytes]] = []

    async def then(verified: Verified, body: bytes) -> None:
        got.append((verified, body))

    door = Door(Verifier(SECRET, then))
    assert (await door.take(b"{}", list(signed(b"{}").items()))).status == 200
    assert (await door.take(b"[]", list(signed(b"{}").items()))).status == 400
    assert [(verified.event_id, body) for verified, body in got] == [("evt_1", b"{}")]


# Each adapter behaves alike. A call returns status and text.


async def call_aiohttp(door: Door, body: bytes, headers: list[tuple[str, str]]) -> tuple[int, str]:
    application = web.Application()
    application.router.add_route("*", "/hook", aiohttp_route(door))
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = "http://{}:{}/hook".format(*runner.addresses[0])
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=io.BytesIO(body), headers=headers) as response,
        ):
            return response.status, (await response.text()).strip()
    finally:
        await runner.cleanup()


async def call_asgi(door: Door, body: bytes, headers: list[tuple[str, str]]) -> tuple[int, str]:
    pieces = [body[:1], body[1:]]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": "POST", "headers": pairs, "client": (PROXY, 4711)}
    await AsgiReceiver(door)(scope, receive, send)
    return sent[0]["status"], sent[1]["body"].decode().strip()


async def call_wsgi(door: Door, body: bytes, headers: list[tuple[str, str]]) -> tuple[int, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        key = "HTTP_" + name.upper().replace("-", "_")
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    environ = {
        "REQUEST_METHOD": "POST",
        "REMOTE_ADDR": PROXY,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **joined,
    }
    with WsgiReceiver(door) as receiver:
        answer = await asyncio.to_thread(receiver.answer, environ)
    return answer.status, answer.text


CALLS = pytest.mark.parametrize("call", [call_aiohttp, call_asgi, call_wsgi])


@CALLS
async def test_the_body_arrives_byte_for_byte(call: Any) -> None:
    taken = Taken()
    body = b'{"a" :  1}\r\n\xff\x00' + bytes(range(256)) * 1000

    assert await call(Door(taken), body, []) == (200, "stored")
    assert taken.bodies == [body]


@CALLS
async def test_a_body_may_have_the_largest_size_and_no_byte_more(call: Any) -> None:
    taken = Taken()

    assert (await call(Door(taken, max_body=1000), b"x" * 1000, []))[0] == 200
    assert (await call(Door(taken, max_body=1000), b"x" * 1001, []))[0] == 413
    assert len(taken.bodies) == 1


@CALLS
@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ([GOOD], 200),
        ([f"{BAD}, {GOOD}"], 200),
        ([f"[::ffff:{GOOD}]:443"], 200),
        ([f"{GOOD}, {BAD}"], 403),
        ([GOOD, BAD], 403),
        ([f"{GOOD}, ::ffff:{BAD}"], 403),
        ([f"{GOOD}, unknown"], 403),
        ([], 403),
    ],
)
async def test_behind_a_proxy_only_its_own_word_lets_somebody_in(
    call: Any, forwarded: list[str], status: int
) -> None:
    taken = Taken()
    door = Door(taken, allow_list=AllowList([GOOD], trusted_proxies=["127.0.0.0/8"]))

    assert (await call(door, b"{}", [("X-Forwarded-For", value) for value in forwarded]))[0] == status
    assert len(taken.bodies) == (status == 200)


@CALLS
async def test_without_a_proxy_the_header_lets_nobody_in(call: Any) -> None:
    door = Door(Taken(), allow_list=AllowList([GOOD]))

    assert (await call(door, b"{}", [("X-Forwarded-For", GOOD), ("Forwarded", f"for={GOOD}")]))[0] == 403


def test_an_answer_says_how_long_it_is() -> None:
    answer = Answer(status=200, text="é", headers=[("a", "b")])

    assert dict(answer.all_headers) == {
        "content-type": "text/plain; charset=utf-8",
        "content-length": "3",
        "a": "b",
    }
