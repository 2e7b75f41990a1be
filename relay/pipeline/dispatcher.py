"""Starts what was claimed: an attempt, or an outcome at once where no request is needed."""

import asyncio
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Protocol, Self

from relay.endpoints.endpoint import Endpoint
from relay.endpoints.registry import Registry
from relay.model import Claim, Dead, Outcome, Released, Result
from relay.pipeline.sender import Sender
from relay.pipeline.verdict import SUSPECT_AFTER, refuse_unsent
from relay.store.clock import DatabaseClock

AT_ONCE = 50
"""Deliveries that are started before the loop is given a chance to write them and to read answers."""
SUSPECT_PAUSE = 0.5
"""Seconds until a suspect is looked at again that had to wait for another."""


class Sink(Protocol):
    """Takes results without waiting: the recorder."""

    def put(self, result: Result) -> None:
        """Take one result, to be recorded soon."""


class Dispatcher:
    """Turns claims into results; every claim given to it ends in the sink exactly once.

    Args:
        sender: Makes the attempts.
        registry: Knows the endpoints.
        sink: Takes the results.
        clock: Tells what has expired.

    It is the context in which deliveries live: leaving it waits for them.
    """

    def __init__(self, *, sender: Sender, registry: Registry, sink: Sink, clock: DatabaseClock) -> None:
        self._sender = sender
        self._registry = registry
        self._sink = sink
        self._clock = clock
        self._waiting: deque[Claim] = deque()
        self._under_way = 0
        self._has_ended = asyncio.Event()
        self._has_given_up = False
        self._suspect: Claim | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.give_up()
        while self._waiting or self._under_way:
            self._has_ended.clear()
            await self._has_ended.wait()

    def dispatch(self, claims: Iterable[Claim]) -> None:
        """Start the deliveries of these claims, some at once and the others between what else the loop has to do."""
        is_starting = bool(self._waiting)
        self._waiting.extend(claims)
        if not is_starting:
            self._start_some()

    def give_up(self) -> None:
        """Cut off what is still under way and start no more; it is released and due again at once."""
        self._has_given_up = True
        self._sender.cut_off()

    def _start_some(self) -> None:
        now = self._clock.now()
        waiting = self._waiting
        for _ in range(min(len(waiting), AT_ONCE)):
            self._start(waiting.popleft(), now)
        if waiting:
            asyncio.get_running_loop().call_soon(self._start_some)

    def _start(self, claim: Claim, now: float) -> None:
        endpoint = self._registry.get(claim.endpoint_id)
        outcome = Released(delay=0.0) if self._has_given_up else _without_request(claim, endpoint, now)
        if outcome is None and claim.lost >= SUSPECT_AFTER:
            outcome = self._suspicion(claim)
        self._under_way += 1
        if outcome is not None:
            self._end(Result(claim, outcome, None, now))
            return
        assert endpoint is not None and claim.event is not None  # noqa: S101, PT018 - else there was an outcome
        self._sender.start(claim, claim.event, endpoint, self._end)

    def _end(self, result: Result) -> None:
        self._under_way -= 1
        if result.claim is self._suspect:
            self._suspect = None
        self._sink.put(result)
        self._has_ended.set()

    def _suspicion(self, claim: Claim) -> Outcome | None:
        """Let one suspect at a time be sent, and give the others back for now.

        Whoever kills the process from outside hits bystanders too; in hand at two ends they are suspects, and if all
        were in hand at the third, all would be quarantined.
        """
        if self._suspect is None:
            self._suspect = claim
            return None
        return Released(delay=SUSPECT_PAUSE)


def _without_request(claim: Claim, endpoint: Endpoint | None, now: float) -> Outcome | None:
    if endpoint is None:
        return Dead(reason="endpoint_removed")
    outcome = refuse_unsent(claim, now=now)
    if outcome is None and endpoint.hold is not None:
        # Held between claim and dispatch: back into the table, where nothing looks until it is resumed.
        return Released(delay=0.0)
    return outcome
