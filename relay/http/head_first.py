"""A connection that hands a response on as soon as it is there, and looks at its head before what follows."""

import asyncio
from typing import Any, Protocol, cast

from aiohttp import ClientError, ClientPayloadError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader

FINAL = 200
SWITCHING = 101
MOST_INTERIM = 8
"""Interim responses (1xx) before the final one."""
MOST_HEADERS = 100
MOST_LINE = 8190
"""Bytes of a status line, and of a header's name or value."""
MOST_HEAD = 32 * 1024
"""Bytes of a head, with the interim ones before it; one that is longer by less than a piece may still be taken."""
READ_BUFFER = 16_384
MOST_JOINED = 32 * 1024
"""Bytes of a body that goes out in one piece with its head; a larger one is not copied, but costs a second write."""
_END = b"\r\n\r\n"
_VERSION = b"HTTP/1."
_SUCCESS = (b"HTTP/1.1 2", b"HTTP/1.0 2")

Message = tuple[RawResponseMessage, StreamReader]


class ProtocolTrouble(ClientError):  # noqa: N818 - it names what is the matter
    """What came is no response that can be taken."""


class Asker(Protocol):
    """Who made the request that the connection carries; one of the two is called, once."""

    def answered(self, message: RawResponseMessage, body: StreamReader) -> None:
        """Take the final response; the end of its body may still be to come."""

    def broke(self, error: BaseException) -> None:
        """The connection ended without a response, or what came is none."""


class HeadFirst(ResponseHandler):
    """aiohttp's connection and parser, without its queue: who asked is called as soon as the response is there.

    The parser takes a piece of data as a whole. If a body in it is malformed it forgets the head before it; but the
    status decides, and after a 2xx the event has arrived. If it holds ten thousand interim responses they are all
    parsed, which stops the event loop for everybody. So it is fed head by head; but a piece with one head of a 2xx, the
    usual case, first as a whole.

    Attributes:
        was_used: A request was made on it.
        has_received: Bytes came since the last request began, whatever became of them.
    """

    was_used = False
    has_received = False
    _asker: Asker | None = None
    _interim = 0
    _head_bytes = 0
    _descriptor = -1

    def begin(self, asker: Asker, head: bytes, body: bytes) -> None:
        """Write a request; `asker` gets what comes of it. The connection is there, and usable."""
        # Never the parser of the response before: it may be halfway into something that came after that one.
        self._renew_parser()
        self.was_used = True
        self.has_received = False
        self._asker = asker
        self._interim = self._head_bytes = 0
        transport = cast("asyncio.Transport", self.transport)
        if len(body) <= MOST_JOINED:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)

    def forget(self) -> None:
        """Call nobody any more: neither asker nor reader is interested."""
        self._asker = self._payload = None

    @property
    def descriptor(self) -> int:
        """The socket's, or -1 if the connection is gone."""
        if self._descriptor < 0 and self.transport is not None:
            socket = self.transport.get_extra_info("socket")
            self._descriptor = -1 if socket is None else socket.fileno()  # none: TLS is just being torn down
        return -1 if self.transport is None else self._descriptor

    def data_received(self, data: bytes) -> None:
        """Take what came; on an idle connection it means that it is not to be used again."""
        is_first = not self.has_received
        self.has_received = True
        if self._asker is not None:
            is_plain = is_first and data.startswith(_SUCCESS) and len(data) <= MOST_HEAD
            if not (is_plain and data.find(_VERSION, len(_VERSION)) < 0 and self._take_whole(data)):
                self._take_head(data)
        elif self._payload is not None:
            self._take_body(data)
        else:
            self._should_close = True

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell whoever waits for a response; who waits for the rest of a body is told by aiohttp."""
        asker, self._asker = self._asker, None
        super().connection_lost(exc)
        error = self.exception()
        if asker is not None and error is not None:
            asker.broke(error)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        """Read on, if reading was paused at all: aiohttp asks after every piece of a body."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def _renew_parser(self) -> None:
        self.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            max_line_size=MOST_LINE,
            max_field_size=MOST_LINE,
            max_headers=MOST_HEADERS,
        )

    def _take_whole(self, data: bytes) -> bool:
        """Feed the first piece of a successful response at once; False if it is to be taken head by head."""
        try:
            messages = self._feed(data)
        except Exception:  # noqa: BLE001 - whatever it is comes again, and is told, if the head is at fault
            self._renew_parser()
            return False
        if messages:
            self._hand_on(messages[0], b"", has_more=len(messages) > 1)
        else:
            self._head_bytes = len(data)
        return True

    def _take_head(self, data: bytes) -> None:
        """Feed one head after the other, until there is the final one."""
        while data and self._asker is not None:
            end = data.find(_END) + len(_END)
            size = min(end, MOST_HEAD) if end >= len(_END) else MOST_HEAD
            piece, data = data[:size], data[size:]
            try:
                messages = self._feed(piece)
            except Exception as error:  # noqa: BLE001 - the parser's own errors, and what its callbacks raised
                self._break(error if isinstance(error, ClientError) else ProtocolTrouble(str(error)))
                return
            for number, message in enumerate(messages, 1):
                if message[0].code >= FINAL:
                    self._hand_on(message, data, has_more=number < len(messages))
                    return
                self._judge_interim(message[0])
            self._head_bytes += len(piece)
            if self._head_bytes > MOST_HEAD:
                self._break(ProtocolTrouble(f"its head is longer than {MOST_HEAD} bytes"))

    def _judge_interim(self, message: RawResponseMessage) -> None:
        self._interim += 1
        if message.code == SWITCHING:
            self._break(ProtocolTrouble("the server switched protocols, which nobody asked for"))
        elif self._interim > MOST_INTERIM:
            self._break(ProtocolTrouble(f"more than {MOST_INTERIM} interim responses"))

    def _hand_on(self, message: Message, rest: bytes, *, has_more: bool) -> None:
        """Hand the final response on, with as much of its body as has come."""
        asker, self._asker = self._asker, None
        head, self._payload = message
        if head.should_close or has_more:
            self._should_close = True
        if rest:
            self._take_body(rest)
        if asker is not None:
            asker.answered(head, message[1])

    def _take_body(self, data: bytes) -> None:
        """Feed what follows a head; whatever else follows the body, nobody asked for it."""
        body = self._payload
        if body is None or body.is_eof():
            self._should_close = True
            return
        try:
            if self._feed(data):
                self._should_close = True
        except Exception as error:  # noqa: BLE001 - as in `_take_head`
            self._should_close = True
            if not body.is_eof():  # whoever reads it would else wait for its time-out
                body.set_exception(ClientPayloadError(f"the body is malformed: {error}"))

    def _feed(self, data: bytes) -> list[Message]:
        parser: Any = self._parser
        messages, is_upgraded, _ = parser.feed_data(data)
        if is_upgraded:
            self._upgraded = True
        return messages  # type: ignore[no-any-return]

    def _break(self, error: BaseException) -> None:
        """Give the connection up, and tell whoever asked."""
        asker, self._asker = self._asker, None
        self._should_close = True
        if self.transport is not None:
            self.transport.abort()
        if asker is not None:
            asker.broke(error)
