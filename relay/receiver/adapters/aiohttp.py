"""aiohttp in front of an inbox.

application.router.add_route("*", "/hook", aiohttp_route(Door(inbox)))
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

from relay.receiver.adapters.door import READ_LIMIT, Answer, Door, Head

CLOSE = (("connection", "close"),)

Route: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


class BodyTooLarge(Exception):  # noqa: N818 - it names what was found
    """A body is longer than it may be; the rest of it was not read."""


def aiohttp_route(door: Door) -> Route:
    """Return what aiohttp calls for each request; add it for every method, so that others than POST get 405.

    The application's `client_max_size` does not count: the door's limit does.
    """

    async def take(request: web.Request) -> web.Response:
        pairs = [(name, value) for name, value in request.headers.items()]
        head = Head(method=request.method, headers=pairs, peer=request.remote)
        if (refusal := door.refusal(head)) is not None:
            return _response(refusal)
        try:
            async with asyncio.timeout(READ_LIMIT):
                body = await read_body(request, door.max_body)
        except BodyTooLarge:
            return _response(door.too_large())
        except TimeoutError:
            return _response(Answer(status=408, text="the body did not come", headers=CLOSE))
        except (ConnectionError, web.RequestPayloadError):
            return _response(Answer(status=400, text="the body is not complete", headers=CLOSE))
        return _response(await door.take(body, pairs))

    return take


async def read_body(request: web.Request, most: int) -> bytes:
    """Return the raw body.

    Args:
        request: Whose body nobody has read.
        most: Bytes that are read at most.

    Raises:
        BodyTooLarge: There is more.
        ConnectionError, web.RequestPayloadError: There is less than was announced.
    """
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > most:
            raise BodyTooLarge(f"a body of more than {most} bytes")
    return bytes(body)


def _response(answer: Answer) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body, headers=answer.all_headers)
    if ("connection", "close") in answer.headers:
        response.force_close()
    return response
