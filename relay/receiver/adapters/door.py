"""What every adapter does with a request, whatever the framework: who may come in, and what is answered."""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from relay.receiver.allowlist import AllowList
from relay.receiver.arrivals import InboxUnavailable, Receipt
from relay.receiver.verify import VerificationError, Verified, verify

MAX_BODY = 1024**2
"""Bytes; senders of Relay keep to 256 KiB unless they are configured otherwise."""
READ_LIMIT = 30.0
"""Seconds for a body to come."""
RETRY_AFTER = 5

Pairs: TypeAlias = Sequence[tuple[str, str]]

logger = logging.getLogger("relay.receiver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A request before its body.

    Attributes:
        headers: All of them, in their order.
        peer: The address that the connection comes from; None if it is not known.
    """

    method: str
    headers: Pairs
    peer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to answer; the text is for the people at the other end, and tells no secret."""

    status: int
    text: str
    headers: Pairs = ()

    @property
    def body(self) -> bytes:
        """The text, as it goes over the wire."""
        return f"{self.text}\n".encode()

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        """The headers with those that say what the body is."""
        return [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-length", str(len(self.body))),
            *self.headers,
        ]


class Receives(Protocol):
    """What takes requests that came in: an `Inbox`, or a `Verifier`."""

    async def receive(
        self, body: bytes, headers: Mapping[str, str] | Iterable[tuple[str, str]], /
    ) -> Receipt:
        """Verify and take a request, or raise VerificationError or InboxUnavailable."""


class Verifier:
    """Verifies, and hands on at once: for receivers that store events in a way of their own.

    Args:
        secrets: As of `verify`.
        then: Called with what was verified and the body; its event counts as received once this returns.
            An event may come more than once: it is for this to notice.
        format: As of `verify`.
        tolerance: As of `verify`.
    """

    def __init__(
        self,
        secrets: str | Sequence[str],
        then: Callable[[Verified, bytes], Awaitable[None]],
        *,
        format: Literal["standard", "x-webhook", "any"] = "standard",  # noqa: A002 - as in `verify`
        tolerance: float = 300,
    ) -> None:
        self.secrets = secrets
        self._then = then
        self._format: Literal["standard", "x-webhook", "any"] = format
        self._tolerance = tolerance

    async def receive(
        self, body: bytes, headers: Mapping[str, str] | Iterable[tuple[str, str]], /
    ) -> Receipt:
        """Verify a request and hand it on; errors as of `verify`, and those of `then`."""
        await self._then(verify(body, headers, self.secrets, self._format, self._tolerance), body)
        return Receipt.STORED


class Door:
    """Lets requests in and answers them.

    Args:
        receiver: Takes those that come in.
        allow_list: Who may come in; None: anyone.
        max_body: The largest body, in bytes.
        content_types: The media types that are taken, such as `application/json`; None: any.
    """

    def __init__(
        self,
        receiver: Receives,
        *,
        allow_list: AllowList | None = None,
        max_body: int = MAX_BODY,
        content_types: Collection[str] | None = None,
    ) -> None:
        self.max_body = max_body
        self._receiver = receiver
        self._allow_list = allow_list
        self._content_types = content_types

    def refusal(self, head: Head) -> Answer | None:
        """Return why a request is not let in; None: its body may be read."""
        if self._allow_list is not None and not self._allow_list.allows(
            head.peer, values_of(head.headers, "x-forwarded-for")
        ):
            return Answer(status=403, text="this address may not send")
        if head.method != "POST":
            return Answer(status=405, text="only POST is taken", headers=[("allow", "POST")])
        if self._is_encoded(head) or not self._is_wanted(head):
            return Answer(status=415, text="this type or encoding of content is not taken")
        length = "".join(values_of(head.headers, "content-length"))
        if length.isdecimal() and length.isascii() and int(length[:18]) > self.max_body:
            return self.too_large()
        return None

    def too_large(self) -> Answer:
        """Return the answer to a body that is too large; the connection cannot be used again."""
        return Answer(status=413, text=f"more than {self.max_body} bytes", headers=[("connection", "close")])

    async def take(self, body: bytes, headers: Pairs) -> Answer:
        """Have a request taken, and return what to answer."""
        try:
            receipt = await self._receiver.receive(body, headers)
        except VerificationError as error:
            return _refused(error)
        except InboxUnavailable as error:
            logger.warning("answered 503: %s", error)
            return Answer(status=503, text="come again", headers=[("retry-after", str(RETRY_AFTER))])
        except Exception:
            logger.exception("a request could not be taken")
            return Answer(status=500, text="the receiver failed")
        if receipt is Receipt.REPEATED:
            return Answer(status=409, text="this was signed for another id; sign it anew")
        return Answer(status=200, text=receipt.value)

    def _is_encoded(self, head: Head) -> bool:
        """What is compressed would be verified as it is, but nobody behind could read it."""
        return any(
            value.strip().lower() != "identity" for value in values_of(head.headers, "content-encoding")
        )

    def _is_wanted(self, head: Head) -> bool:
        if self._content_types is None:
            return True
        values = values_of(head.headers, "content-type")
        media = values[0].partition(";")[0].strip().lower() if len(values) == 1 else ""
        return media in self._content_types


def values_of(headers: Pairs, name: str) -> list[str]:
    """Return the values of every header of this lower-case name, in their order."""
    return [value for each, value in headers if each.lower() == name]


def _refused(error: VerificationError) -> Answer:
    """Tell the sender what is wrong with a request, but not what is wrong here."""
    if error.reason == "invalid_secret":
        logger.error("a secret of this receiver is not valid")
        return Answer(status=500, text="the receiver failed")
    return Answer(status=400, text=f"not verified: {error.reason}")
