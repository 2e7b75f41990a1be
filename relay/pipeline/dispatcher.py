"""Starts what was claimed: one task a delivery, or an outcome at once where no request is needed."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Protocol, Self

from relay.endpoints.endpoint import Endpoint
from relay.endpoints.registry import Registry
from relay.model import Attempt, Claim, Dead, Event, Failure, Outcome, Released, Result
from relay.observe.logs import get_logger
from relay.pipeline.sender import Sender
from relay.pipeline.verdict import SUSPECT_AFTER, judge, refuse_unsent
from relay.store.clock import DatabaseClock

log = get_logger()

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
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._has_given_up = False
        self._suspect: Claim | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)

    def dispatch(self, claims: Iterable[Claim]) -> None:
        """Start the deliveries of these claims."""
        now = self._clock.now()
        for claim in claims:
            endpoint = self._registry.get(claim.endpoint_id)
            outcome = Released(delay=0.0) if self._has_given_up else _without_request(claim, endpoint, now)
            if outcome is None and claim.lost >= SUSPECT_AFTER:
                outcome = self._suspicion(claim)
            if outcome is not None:
                self._sink.put(Result(claim=claim, outcome=outcome, attempt=None, ended_at=now))
                continue
            assert endpoint is not None and claim.event is not None  # noqa: S101, PT018 - else there was an outcome
            task = self._tasks.create_task(
                self._deliver(claim, claim.event, endpoint), name=f"delivery {claim.event.id}/{endpoint.id}"
            )
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def give_up(self) -> None:
        """Cut off what is still under way and start no more; it is released and due again at once."""
        self._has_given_up = True
        for task in tuple(self._running):
            task.cancel()

    def _suspicion(self, claim: Claim) -> Outcome | None:
        """Let one suspect at a time be sent, and give the others back for now.

        Whoever kills the process from outside hits bystanders too; in hand at two ends they are suspects, and if all
        were in hand at the third, all would be quarantined.
        """
        if self._suspect is None:
            self._suspect = claim
            return None
        return Released(delay=SUSPECT_PAUSE)

    async def _deliver(self, claim: Claim, event: Event, endpoint: Endpoint) -> None:
        try:
            result = await self._sender.attempt(claim, event, endpoint)
        except asyncio.CancelledError:
            # Only a drain that ran out of time cuts a delivery off. The task ends well: its group goes on.
            now = self._clock.now()
            result = Result(claim=claim, outcome=Released(delay=0.0), attempt=None, ended_at=now)
        except Exception as error:
            log.exception("delivery.failed_internally", event_id=event.id, endpoint_id=endpoint.id)
            result = self._after_defect(claim, endpoint, error)
        if self._suspect is claim:
            self._suspect = None
        self._sink.put(result)

    def _after_defect(self, claim: Claim, endpoint: Endpoint, error: Exception) -> Result:
        """Charge a defect of ours like a failed attempt, so that it ends in the schedule and not in a hot loop."""
        now = self._clock.now()
        answer = Failure(code="protocol", message=f"internal error: {type(error).__name__}")
        attempt = Attempt(
            number=claim.attempts + 1,
            started_at=now,
            ended_at=now,
            url=endpoint.url,
            request_headers="{}",
            answer=answer,
            store_body=False,
        )
        outcome = judge(answer, claim, endpoint.schedule, started=now, ended=now, random=0.5)
        return Result(claim=claim, outcome=outcome, attempt=attempt, ended_at=now)


def _without_request(claim: Claim, endpoint: Endpoint | None, now: float) -> Outcome | None:
    if endpoint is None:
        return Dead(reason="endpoint_removed")
    outcome = refuse_unsent(claim, now=now)
    if outcome is None and endpoint.hold is not None:
        # Held between claim and dispatch: back into the table, where nothing looks until it is resumed.
        return Released(delay=0.0)
    return outcome
