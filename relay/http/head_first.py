"""A connection that looks at each head of a response before it looks at what follows."""

from aiohttp import ClientError, ClientPayloadError
from aiohttp.client_proto import ResponseHandler

FINAL = 200
MOST_INTERIM = 8
"""Interim responses (1xx) before the final one."""
_END = b"\r\n\r\n"


class ProtocolTrouble(ClientError):  # noqa: N818 - it names what is the matter
    """What came is no response that can be taken."""


class HeadFirst(ResponseHandler):
    """aiohttp's connection, fed head by head.

    The parser takes a piece of data as a whole. If a body in it is malformed it forgets the head before it; but the
    status decides, and after a 2xx the event has arrived. If it holds ten thousand interim responses they are all
    parsed, which stops the event loop for everybody.

    Attributes:
        was_used: A request was made on it.
        has_received: Bytes came since the last request began, whatever became of them.
    """

    was_used = False
    has_received = False
    _awaits_head = False
    _interim = 0

    def begin(self) -> None:
        """Expect the response to a request."""
        self.was_used = True
        self.has_received = False
        self._awaits_head = True
        self._interim = 0

    def data_received(self, data: bytes) -> None:
        """Feed the parser one head after the other, and then the rest."""
        self.has_received = True
        while self._awaits_head and (end := data.find(_END) + len(_END)) >= len(_END):
            super().data_received(data[:end])
            data = data[end:]
            if self.exception() is not None:
                return  # it was no head
            self._judge_head()
            if self.exception() is not None or not data:
                return
        super().data_received(data)
        error, body = self.exception(), self._payload
        if error is not None and body is not None and not body.is_eof():
            # Whoever reads it would else wait for its time-out.
            body.set_exception(ClientPayloadError(f"the body is malformed: {error}"))

    def _judge_head(self) -> None:
        """Look at the head that was just parsed: the final one, or one interim response more."""
        if not self._buffer or self._buffer[-1][0][0].code >= FINAL:
            self._awaits_head = False
            return
        self._interim += 1
        if self._interim > MOST_INTERIM:
            self.set_exception(ProtocolTrouble(f"more than {MOST_INTERIM} interim responses"))
            if self.transport is not None:
                self.transport.abort()
