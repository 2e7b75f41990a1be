"""Events about Relay's own work, delivered like any other to the operator's endpoints.

They are told after what they tell of was committed, and a process that is killed in between tells nothing: the delivery
log and the states of deliveries and endpoints are the truth, these are how somebody hears of it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg
import orjson

from relay.endpoints.failing import News
from relay.endpoints.registry import Registry
from relay.model import Dead, Failure, Response, Result
from relay.observe.log_lines import harmless
from relay.observe.logs import get_logger
from relay.store.session import DATA_ERRORS, DatabaseAway, Session
from relay.store.watch import Backoff

log = get_logger()

NoticeType = Literal[
    "endpoint.unhealthy",
    "endpoint.disabled",
    "endpoint.recovered",
    "delivery.dead",
    "alert.raised",
    "alert.cleared",
]
_NOBODY = ""
"""The tenant of what is no tenant's trouble: never the operator's, which has a name."""
MOST_WAITING = 10_000
MOST_A_BATCH = 500
LINGER = 0.05
"""Seconds that the first of a batch waits for company."""


class Notices:
    """Takes notices without waiting, and stores them as events of the operator's tenant.

    What nobody subscribes to is not stored, and nothing is told of that tenant's own endpoints: a notice that cannot be
    delivered would else lead to the next.

    Args:
        session: One that moves no deliveries.
        registry: Knows who subscribes, and the endpoints that are told of.
        tenant: The operator's.
        backoff: Pauses between tries while the database is away.
    """

    def __init__(self, *, session: Session, registry: Registry, tenant: str, backoff: Backoff) -> None:
        self._session = session
        self._registry = registry
        self._backoff = backoff
        self._waiting: list[tuple[str, str]] = []
        self._arrived = asyncio.Event()
        self._storing = asyncio.Lock()
        self.tenant = tenant

    def dead(self, result: Result, outcome: Dead) -> None:
        """Tell that a delivery was given up."""
        event = result.claim.event
        if event is None or result.claim.trigger_type == "test":
            return
        answer = None if result.attempt is None else result.attempt.answer
        self._put(
            "delivery.dead",
            event.tenant,
            {
                "event_id": event.id,
                "event_type": event.event_type,
                "endpoint_id": str(result.claim.endpoint_id),
                "tenant": event.tenant,
                "reason": outcome.reason,
                "attempts": result.claim.attempts + (result.attempt is not None),
                "status_code": answer.status if isinstance(answer, Response) else None,
                "error": answer.code if isinstance(answer, Failure) else None,
            },
        )

    def disabled(self, endpoint_id: UUID, reason: str) -> None:
        """Tell that an endpoint gets nothing more until somebody resumes it."""
        self._of_endpoint("endpoint.disabled", endpoint_id, {"reason": reason})

    def unhealthy(self, news: News) -> None:
        """Tell that an endpoint fails, or that it will be disabled for it."""
        will_be = news.disabled_in
        at = None if will_be is None else datetime.now(UTC) + timedelta(seconds=will_be)
        about = {"reason": str(news.what), **_failing(news), "disabled_at": None if at is None else _iso(at)}
        self._of_endpoint("endpoint.unhealthy", news.endpoint_id, about)

    def recovered(self, news: News) -> None:
        """Tell that an endpoint takes deliveries again of which that it fails was told."""
        self._of_endpoint("endpoint.recovered", news.endpoint_id, _failing(news))

    def alert(
        self,
        event_type: Literal["alert.raised", "alert.cleared"],
        endpoint_id: UUID | None,
        about: Mapping[str, Any],
    ) -> None:
        """Tell of an alert; of one endpoint, unless `endpoint_id` is None."""
        if endpoint_id is None:
            self._put(event_type, _NOBODY, about)
            return
        endpoint = self._registry.get(endpoint_id)
        if endpoint is not None:
            self._put(event_type, endpoint.tenant, {**about, "tenant": endpoint.tenant})

    async def run(self) -> None:
        """Store what is told until cancelled."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(LINGER)
            self._arrived.clear()
            while self._waiting:
                await self._store()

    async def finish(self) -> None:
        """Store what is left, unless the database refuses it now: the relay is about to end."""
        is_taken = True
        while self._waiting and is_taken:
            is_taken = await self._store()

    async def _store(self) -> bool:
        """Store a batch; returns whether it is done with."""
        async with self._storing:
            return await self._store_batch(self._waiting[:MOST_A_BATCH])

    async def _store_batch(self, batch: Sequence[tuple[str, str]]) -> bool:
        types, payloads = [each[0] for each in batch], [each[1] for each in batch]
        try:
            await self._session.fetch("notices_write", types, payloads, self.tenant)
        except DATA_ERRORS as error:  # a stranger's text cannot do that; whatever it is would come again
            log.error("notice.dropped", count=len(batch), detail=str(error))  # noqa: TRY400 - no traceback helps
        except (DatabaseAway, asyncpg.PostgresError) as error:
            await self._backoff.failed(error)
            return False
        self._backoff.succeeded()
        del self._waiting[: len(batch)]
        return True

    def _of_endpoint(self, event_type: NoticeType, endpoint_id: UUID, about: Mapping[str, Any]) -> None:
        endpoint = self._registry.get(endpoint_id)
        if endpoint is not None:
            known = {
                "endpoint_id": str(endpoint_id),
                "tenant": endpoint.tenant,
                "url": harmless("url", endpoint.url),
            }
            self._put(event_type, endpoint.tenant, {**known, **about})

    def _put(self, event_type: NoticeType, tenant: str, about: Mapping[str, Any]) -> None:
        if tenant == self.tenant or not self._registry.match(
            tenant=self.tenant, event_type=event_type, only=None
        ):
            return
        if len(self._waiting) >= MOST_WAITING:
            log.error("notice.dropped", count=1, detail="too many wait while the database is away")
            return
        payload = orjson.dumps({**about, "at": _iso(datetime.now(UTC))}).decode()
        self._waiting.append((event_type, payload))
        self._arrived.set()


def _failing(news: News) -> dict[str, Any]:
    since = datetime.now(UTC) - timedelta(seconds=news.failing_for)
    return {"failing_since": _iso(since), "failures": news.failures}


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
