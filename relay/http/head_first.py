"""A connection that hands on a response's head before it looks at the body."""

from aiohttp import ClientPayloadError
from aiohttp.client_proto import ResponseHandler

_END = b"\r\n\r\n"


class HeadFirst(ResponseHandler):
    """aiohttp's connection, for servers whose body is broken and comes in one piece with the head.

    The parser takes such a piece as a whole and forgets the head once the body turns out to be malformed. But the
    status decides: after a 2xx the event has arrived, and sending it again would be our fault.

    Attributes:
        was_used: A request was made on it.
    """

    was_used = False

    def data_received(self, data: bytes) -> None:
        """Feed the parser what a head may end with, and then the rest."""
        end = data.find(_END) + len(_END)
        if len(_END) <= end < len(data):
            super().data_received(data[:end])
            data = data[end:]
            if self.exception() is not None:
                return  # it was no head
        super().data_received(data)
        error, body = self.exception(), self._payload
        if error is not None and body is not None and not body.is_eof():
            # Whoever reads it would else wait for its time-out.
            body.set_exception(ClientPayloadError(f"the body is malformed: {error}"))
