"""ASGI in front of an inbox: an application of its own, or a route of Starlette or FastAPI.

    app = AsgiReceiver(Door(inbox), lifespan=inbox)                 # alone
    app.router.routes.append(Route("/hook", AsgiReceiver(Door(inbox))))   # in another, which starts the inbox

A route, not a mount: Starlette answers a request for a mount without its last slash with a redirect, and senders
of webhooks do not follow redirects.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeAlias

from relay.receiver.adapters.door import READ_LIMIT, Answer, Door, Head, Pairs

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class AsgiReceiver:
    """An ASGI 3 application that takes webhooks at whatever path it is reached.

    Args:
        door: Lets requests in and answers them.
        lifespan: Entered when the server starts and left when it stops, such as the inbox; None: the
            application around this one sees to it.
    """

    def __init__(self, door: Door, *, lifespan: AbstractAsyncContextManager[object] | None = None) -> None:
        self._door = door
        self._lifespan = lifespan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            if answer is not None:
                await _send(answer, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        client = scope.get("client")
        head = Head(method=scope["method"], headers=pairs, peer=client[0] if client else None)
        if (refusal := self._door.refusal(head)) is not None:
            return refusal
        return await self._take(pairs, receive)

    async def _take(self, pairs: Pairs, receive: Receive) -> Answer | None:
        """Read the body and have it taken; None if the sender went away, whom nobody can answer."""
        body = bytearray()
        try:
            async with asyncio.timeout(READ_LIMIT):
                is_complete = False
                while not is_complete:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._door.max_body:
                        return self._door.too_large()
                    is_complete = not message.get("more_body", False)
        except TimeoutError:
            return Answer(status=408, text="the body did not come", headers=[("connection", "close")])
        return await self._door.take(bytes(body), pairs)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and stop with the server (ASGI lifespan protocol 2.0)."""
        await receive()
        async with AsyncExitStack() as stack:
            try:
                if self._lifespan is not None:
                    await stack.enter_async_context(self._lifespan)
            except Exception as error:
                await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
                raise
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def _send(answer: Answer, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.all_headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
