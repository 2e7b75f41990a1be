"""Harm on purpose: RELAY_DEMO_HARM makes the demo lie or misbehave, to show that its proof would notice.

| value         | what happens once                                              | what the proof must say |
|---------------|----------------------------------------------------------------|-------------------------|
| `drop`        | a request is received and not recorded                         | lost                    |
| `alter`       | a byte of a verified body is flipped before it is compared     | altered                 |
| `invent`      | a request is recorded that never came                          | unexpected              |
| `rolled_back` | an event that was rolled back is sent, signed as Relay would   | unexpected              |
"""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol
from uuid import uuid4

import aiohttp

from relay.demo.records import Receipt
from relay.http.signature import SignatureFormat, parse_secret, sign

VARIABLE = "RELAY_DEMO_HARM"
SEND_LIMIT = aiohttp.ClientTimeout(total=10)


class UnknownHarm(ValueError):  # noqa: N818 - it says what the value is
    """RELAY_DEMO_HARM has a value that means nothing."""


class Target(Protocol):
    """Where the endpoints of the demo are: its receiver."""

    secrets: dict[str, str]

    def url(self, endpoint: str) -> str:
        """Return where the endpoint of that name receives."""


class NoHarm:
    """Everything is left as it is."""

    def altered(self, body: bytes) -> bytes:
        """Return the body that is compared, after its signature was verified."""
        return body

    def recorded(self, receipt: Receipt) -> tuple[Receipt, ...]:
        """Return what goes into the record for a request."""
        return (receipt,)

    async def send(self, rolled_back: Mapping[str, tuple[str, str]], target: Target) -> None:
        """Send what must not be sent; called once the application has ended."""


class Drop(NoHarm):
    """Forgets the first request that it accepts."""

    def __init__(self) -> None:
        self._is_done = False

    def recorded(self, receipt: Receipt) -> tuple[Receipt, ...]:
        """Return nothing, once."""
        if self._is_done or not receipt.is_accepted:
            return (receipt,)
        self._is_done = True
        return ()


class Alter(NoHarm):
    """Flips a bit of the first body."""

    def __init__(self) -> None:
        self._is_done = False

    def altered(self, body: bytes) -> bytes:
        """Return a body with another last byte, once."""
        if self._is_done or not body:
            return body
        self._is_done = True
        return body[:-1] + bytes([body[-1] ^ 1])


class Invent(NoHarm):
    """Records one request more than came."""

    def __init__(self) -> None:
        self._is_done = False

    def recorded(self, receipt: Receipt) -> tuple[Receipt, ...]:
        """Return the request and, once, one like it of an event that never was."""
        if self._is_done or not receipt.is_accepted:
            return (receipt,)
        self._is_done = True
        return receipt, replace(receipt, event_id=str(uuid4()))


class RolledBack(NoHarm):
    """Sends an event that was rolled back."""

    async def send(self, rolled_back: Mapping[str, tuple[str, str]], target: Target) -> None:
        """Send the first of them with the right signatures, if there is one.

        Raises:
            OSError: Nobody listens there.
        """
        if not rolled_back:
            return
        endpoint, secret = next(iter(target.secrets.items()))
        event_id, (event_type, payload) = next(iter(rolled_back.items()))
        body = payload.encode()
        signed = sign(event_id, int(time.time()), body, [parse_secret(secret)], SignatureFormat.BOTH)
        headers = {
            "X-Webhook-Id": event_id,
            "X-Webhook-Event": event_type,
            "X-Webhook-Attempt": "2",
            **dict(signed),
        }
        async with (
            aiohttp.ClientSession(timeout=SEND_LIMIT) as session,
            session.post(target.url(endpoint), data=body, headers=headers) as response,
        ):
            await response.read()


_HARMS = {"": NoHarm, "drop": Drop, "alter": Alter, "invent": Invent, "rolled_back": RolledBack}


def wanted_harm() -> NoHarm:
    """Return what RELAY_DEMO_HARM asks for.

    Raises:
        UnknownHarm: It asks for something else.
    """
    value = os.environ.get(VARIABLE, "")
    if value not in _HARMS:
        raise UnknownHarm(f"{VARIABLE} is {value!r}; it knows {', '.join(filter(None, _HARMS))}")
    return _HARMS[value]()
