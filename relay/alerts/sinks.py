"""Sends alerts to the URLs in the configuration: signed like any other delivery, or in the form that Slack takes."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

from relay.alerts.alert import Change
from relay.alerts.message import Message, head_of, message_of
from relay.config import Settings
from relay.config_places import AlertSink
from relay.http.build import url_rule
from relay.http.signature import Secret, parse_secret
from relay.model import Answer, Request, Response
from relay.observe.logs import get_logger
from relay.pipeline.retry_after import retry_after
from relay.pipeline.verdict import is_success

log = get_logger()

DELAYS = (1.0, 5.0, 25.0, 120.0)
"""Seconds between the tries of one message; after the last of them it is given up."""
LONGEST_WISH = 300.0
"""Seconds that a Retry-After is heeded for at most."""
MOST_WAITING = 200
"""Messages that wait for one sink; what comes on top is given up."""
LAST_TRIES = 3.0
"""Seconds that sinks get at the end of the relay for what they have not got."""
MOST_READ = 4096
"""Bytes of an answer; nobody reads them."""


class Wire(Protocol):
    """Makes requests; the one in use speaks HTTP, and goes only where the guard lets it."""

    async def send(self, request: Request) -> Answer | None:
        """Return what comes back; None if it was cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings:
    """What the configuration says of sinks.

    Attributes:
        secret: Signs; None if no sink needs it.
        refuse_url: Why a URL can never be called, or None.
        timeout, connect_timeout: In seconds.
    """

    sinks: tuple[AlertSink, ...]
    secret: Secret | None
    user_agent: str
    timeout: float
    connect_timeout: float
    refuse_url: Callable[[str], str | None]

    @classmethod
    def of(cls, settings: Settings) -> "SinkSettings":
        """Return what these settings say."""
        secret = settings.alerts.secret.get_secret_value()
        return cls(
            sinks=tuple(dict.fromkeys(settings.alerts.sinks)),
            secret=parse_secret(secret) if secret else None,
            user_agent=settings.delivery.user_agent,
            timeout=settings.delivery.timeout.total_seconds(),
            connect_timeout=settings.delivery.connect_timeout.total_seconds(),
            refuse_url=url_rule(settings.security),
        )


@dataclass(slots=True)
class _Mailbox:
    """What waits for one sink, in its order; the first is being sent."""

    waiting: deque[Message] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class Sinks:
    """Takes alerts without waiting; each sink gets them in their order, and none waits for another.

    Args:
        settings: May be exchanged by `change`.
        wire: Makes the requests.
        delays: Between the tries of one message.
    """

    def __init__(self, settings: SinkSettings, *, wire: Wire, delays: tuple[float, ...] = DELAYS) -> None:
        self._settings = settings
        self._wire = wire
        self._delays = delays
        self._boxes: dict[AlertSink, _Mailbox] = {}
        self._emptied = asyncio.Event()
        self._changed = asyncio.Event()
        self.change(settings)

    def change(self, settings: SinkSettings) -> None:
        """Go by other settings from now on; what waits for a sink that is gone is given up."""
        self._settings = settings
        before = self._boxes
        self._boxes = {sink: before.get(sink) or _Mailbox() for sink in settings.sinks}
        for sink in before.keys() - self._boxes.keys():
            for message in before[sink].waiting:
                _give_up(sink, message, "the sink was taken out of the configuration")
        for sink in settings.sinks:
            if reason := settings.refuse_url(sink.url):
                log.error("alert.sink_refused", sink=str(sink), detail=reason)
        self._changed.set()

    def put(self, change: Change) -> None:
        """Take an alert that was raised or cleared."""
        message = message_of(change, message_id=str(uuid4()))
        for sink, box in self._boxes.items():
            if len(box.waiting) >= MOST_WAITING:
                _give_up(sink, message, "too many wait for this sink")
                continue
            box.waiting.append(message)
            box.arrived.set()

    async def run(self) -> None:
        """Send until cancelled."""
        tasks: dict[AlertSink, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as sending:
            while True:
                self._changed.clear()
                for sink in tasks.keys() - self._boxes.keys():
                    tasks.pop(sink).cancel()
                for sink in self._boxes.keys() - tasks.keys():
                    tasks[sink] = sending.create_task(self._serve(sink), name=f"alert sink {sink}")
                await self._changed.wait()

    async def finish(self) -> None:
        """Wait a moment for what is being sent; the relay is about to end."""
        try:
            async with asyncio.timeout(LAST_TRIES):
                while any(box.waiting for box in self._boxes.values()):
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            for sink, box in self._boxes.items():
                for message in box.waiting:
                    _give_up(sink, message, "the relay has ended")

    async def _serve(self, sink: AlertSink) -> None:
        box = self._boxes[sink]
        while True:
            await box.arrived.wait()
            box.arrived.clear()
            while box.waiting:
                try:
                    await self._deliver(sink, box.waiting[0])
                except Exception:
                    log.exception("alert.undelivered", alert=box.waiting[0].alert, sink=str(sink))
                box.waiting.popleft()
            self._emptied.set()

    async def _deliver(self, sink: AlertSink, message: Message) -> None:
        for delay in (*self._delays, None):
            answer = await self._send(sink, message)
            if isinstance(answer, Response) and is_success(answer.status):
                return
            if delay is None:
                _give_up(sink, message, _trouble(answer))
                return
            await asyncio.sleep(max(delay * (0.5 + random.random()), _wish(answer)))  # noqa: S311 - jitter

    async def _send(self, sink: AlertSink, message: Message) -> Answer | str | None:
        """Make one try; returns what came back, or why nothing was sent."""
        settings = self._settings
        if reason := settings.refuse_url(sink.url):
            return reason
        if not sink.is_slack and settings.secret is None:
            return "there is no secret to sign with"
        body = message.slack if sink.is_slack else message.body
        head = head_of(
            message,
            secret=None if sink.is_slack else settings.secret,
            timestamp=int(time.time()),
            user_agent=settings.user_agent,
        )
        request = Request(sink.url, head, body, settings.timeout, settings.connect_timeout, MOST_READ)
        return await self._wire.send(request)


def _give_up(sink: AlertSink, message: Message, detail: str) -> None:
    log.error("alert.undelivered", alert=message.alert, sink=str(sink), detail=detail)


def _trouble(answer: Answer | str | None) -> str:
    if isinstance(answer, Response):
        return f"the answer was {answer.status}"
    if answer is None or isinstance(answer, str):
        return answer or "it was cut off"
    return answer.message


def _wish(answer: Answer | str | None) -> float:
    """Return for how many seconds the sink asks to be left alone."""
    if not isinstance(answer, Response):
        return 0.0
    return min(retry_after(answer.headers.get("retry-after"), now=time.time()), LONGEST_WISH)
