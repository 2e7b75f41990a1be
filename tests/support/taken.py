"""A receiver of which only what it is handed counts."""

from collections.abc import Iterable, Mapping

from relay.receiver import Receipt


class Taken:
    """A receiver that takes everything, or raises."""

    def __init__(self, receipt: Receipt = Receipt.STORED, error: Exception | None = None) -> None:
        self.bodies: list[bytes] = []
        self._receipt = receipt
        self._error = error

    async def receive(
        self, body: bytes, _headers: Mapping[str, str] | Iterable[tuple[str, str]], /
    ) -> Receipt:
        self.bodies.append(body)
        if self._error is not None:
            raise self._error
        return self._receipt
