"""A limit, what a stranger does to it, and how it is taken out: so that a test shows that the limit is what holds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from relay.http.transport import Transport
from relay.model import Answer, Request

PATIENCE = 0.6
"""Seconds after its time at which something that is to end counts as endless."""
Removal = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit.

    Attributes:
        holds: Does what a stranger would, and says whether the limit held.
        remove: Takes this one limit out, and nothing else.
    """

    holds: Callable[[], Awaitable[bool]]
    remove: Removal


async def bites(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that the limit holds, and that without it nothing else does."""
    assert await limit.holds(), "the limit does not hold"
    limit.remove(monkeypatch)
    assert not await limit.holds(), "nothing changed without the limit: this shows nothing of it"


def replaced(owner: object, name: str, value: object) -> Removal:
    """Return what sets an attribute."""
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value)


async def answer_within(transport: Transport, request: Request, seconds: float) -> Answer | None:
    """Return what came back, or None if nothing has come soon after so many seconds."""
    try:
        async with asyncio.timeout(seconds + PATIENCE):
            return await transport.send(request)
    except TimeoutError:
        return None


async def seconds_of(work: Awaitable[object]) -> float:
    """Return how long something took."""
    began = time.monotonic()
    await work
    return time.monotonic() - began
