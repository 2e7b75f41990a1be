"""The demo's receiver: verifies both signatures of every request, and answers some with an error on purpose."""

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Literal, Self

from aiohttp import web

from relay.demo.harm import NoHarm
from relay.demo.records import Receipt, digest_of
from relay.demo.tally import Tally
from relay.receiver import VerificationError, verify

REFUSED_EVERY = 16
"""The first attempt of all, and then one first attempt in so many, is answered 500: 6 %."""
FORMATS: tuple[Literal["standard", "x-webhook"], ...] = ("standard", "x-webhook")
STOP_LIMIT = 1.0
LONGEST_ID = 64


class Receiver(AbstractAsyncContextManager["Receiver"]):
    """An HTTP server on a free port of the loopback, as long as the block.

    Args:
        tally: Told of every request.
        harm: What to do wrong on purpose.

    Attributes:
        secrets: The signing secret of each endpoint by its name; filled as endpoints are added.
    """

    def __init__(self, *, tally: Tally, harm: NoHarm) -> None:
        self.secrets: dict[str, str] = {}
        self._tally = tally
        self._harm = harm
        self._first_attempts = 0
        self._runner = web.ServerRunner(web.Server(self._take), shutdown_timeout=STOP_LIMIT)
        self._port = 0

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def url(self, endpoint: str) -> str:
        """Return where the endpoint of that name receives."""
        return f"http://127.0.0.1:{self._port}/{endpoint}"

    async def _take(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        receipt = self._judge(request, body)
        self._tally.receive(receipt, self._harm.recorded(receipt))
        return web.Response(status=receipt.status)

    def _judge(self, request: web.BaseRequest, body: bytes) -> Receipt:
        headers = request.headers
        endpoint = request.path.removeprefix("/")
        fault = self._fault(request, body, endpoint)
        attempt = headers.get("X-Webhook-Attempt", "")
        number = int(attempt) if attempt.isascii() and attempt.isdigit() else 0
        return Receipt(
            event_id=headers.get("webhook-id", "(none)")[:LONGEST_ID],
            endpoint=endpoint[:LONGEST_ID],
            event_type=headers.get("X-Webhook-Event", "")[:LONGEST_ID],
            attempt=number,
            digest=digest_of(self._harm.altered(body)),
            status=401 if fault else self._status(number),
            fault=fault,
        )

    def _fault(self, request: web.BaseRequest, body: bytes, endpoint: str) -> str:
        """Return what is wrong with either signature, or that the ids of the two formats differ."""
        secret = self.secrets.get(endpoint)
        if secret is None:
            return "there is no such endpoint"
        headers = list(request.headers.items())
        try:
            ids = {verify(body, headers, secret, each).event_id for each in FORMATS}
        except VerificationError as error:
            return f"{error.reason}: {error}"
        return "" if len(ids) == 1 else "X-Webhook-Id and webhook-id differ"

    def _status(self, attempt: int) -> int:
        if attempt != 1:
            return 200
        self._first_attempts += 1
        return 500 if self._first_attempts % REFUSED_EVERY == 1 else 200
