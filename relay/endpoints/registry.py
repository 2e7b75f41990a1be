"""The endpoints in memory: a cache of the database that is never older than the events it is asked about."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from uuid import UUID

from relay.endpoints.endpoint import Endpoint
from relay.endpoints.health import Standings
from relay.endpoints.rows import Changes, EndpointRows
from relay.store.session import Session


@dataclass(slots=True)
class _Subscriptions:
    """Which endpoints ask for which pattern of which tenant, and the answers given before."""

    by_pattern: dict[tuple[str, str], set[UUID]] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[UUID, ...]] = field(default_factory=dict)

    def add(self, endpoint: Endpoint) -> None:
        for pattern in endpoint.event_types:
            self.by_pattern.setdefault((endpoint.tenant, pattern), set()).add(endpoint.id)

    def remove(self, endpoint: Endpoint) -> None:
        for pattern in endpoint.event_types:
            subscribed = self.by_pattern.get((endpoint.tenant, pattern), set())
            subscribed.discard(endpoint.id)
            if not subscribed:
                self.by_pattern.pop((endpoint.tenant, pattern), None)

    def of(self, tenant: str, event_type: str) -> tuple[UUID, ...]:
        answer = self.answers.get((tenant, event_type))
        if answer is None:
            found = {i for p in patterns_of(event_type) for i in self.by_pattern.get((tenant, p), ())}
            answer = tuple(sorted(found))
            if len(self.answers) >= _MOST_ANSWERS:
                self.answers.clear()  # event types are few; a stranger who makes them up must not fill the memory
            self.answers[tenant, event_type] = answer
        return answer


_MOST_ANSWERS = 10_000


def patterns_of(event_type: str) -> tuple[str, ...]:
    """Return every pattern that takes events of this type: itself, `prefix.*` of each depth above it, and `*`."""
    parts = event_type.split(".")
    prefixes = accumulate(parts[:-1], lambda head, part: f"{head}.{part}")
    return ("*", event_type, *(f"{prefix}.*" for prefix in prefixes))


class Registry:
    """What is known of the endpoints; refreshed before any event is fanned out that came after a change.

    Args:
        rows: Reads them.
        standings: Told of what somebody changed.

    Attributes:
        version: Of the database's registry, as far as it was read.
        longest_timeout: Seconds that an attempt may take at most, over all endpoints.
        has_filters: Some endpoint wants only certain payloads.
        has_ordered: Some endpoint asks for order.
    """

    def __init__(self, rows: EndpointRows, standings: Standings) -> None:
        self._rows = rows
        self._standings = standings
        self._endpoints: dict[UUID, Endpoint] = {}
        self._subscriptions = _Subscriptions()
        self.version = 0
        self._distrusted = 0
        self.longest_timeout = 0.0
        self.has_filters = False
        self.has_ordered = False
        self._first_end = math.inf

    def __len__(self) -> int:
        return len(self._endpoints)

    def get(self, endpoint_id: UUID) -> Endpoint | None:
        """Return an endpoint, or None if it was removed or never there."""
        return self._endpoints.get(endpoint_id)

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._endpoints.values())

    def states(self) -> Iterator[tuple[UUID, str]]:
        """Yield every endpoint's id and its state: `active`, or why it takes no deliveries."""
        for endpoint in self._endpoints.values():
            yield endpoint.id, "active" if endpoint.hold is None else endpoint.hold.removeprefix("endpoint_")

    def end_secrets(self, now: float) -> None:
        """Let no secret sign any more that has ended by `now`, Unix time by the database's clock."""
        if now < self._first_end:
            return
        for endpoint in list(self._endpoints.values()):
            if endpoint.first_end <= now:
                self._endpoints[endpoint.id] = endpoint.without_ended(now)
        self._find_first_end()

    def _find_first_end(self) -> None:
        self._first_end = min((each.first_end for each in self._endpoints.values()), default=math.inf)

    def match(self, *, tenant: str, event_type: str, only: UUID | None) -> tuple[UUID, ...]:
        """Return the endpoints that an event goes to, in the order of their ids.

        Args:
            tenant: The event's; endpoints of another one never get it.
            event_type: The event's.
            only: The one endpoint that it was addressed to, whatever that subscribes to.
        """
        if only is None:
            return self._subscriptions.of(tenant, event_type)
        endpoint = self._endpoints.get(only)
        return () if endpoint is None or endpoint.tenant != tenant else (only,)

    def read_all_again(self) -> None:
        """Have the next refresh read everything; one that is under way is not enough."""
        self.version = 0
        self._distrusted += 1

    async def refresh(self, session: Session) -> frozenset[UUID]:
        """Read what changed since the last time; returns the endpoints that did.

        Raises:
            DatabaseAway: As of any statement. What was known stays.
        """
        distrusted = self._distrusted
        changes = await self._rows.read(session, known=self.version)
        before = dict(self._endpoints)
        if changes.is_whole:
            changed = frozenset(self._endpoints) | frozenset(e.id for e in changes.endpoints)
            self._endpoints, self._subscriptions = {}, _Subscriptions()
        else:
            changed = frozenset(changes.removed) | frozenset(e.id for e in changes.endpoints)
        self._forget(changed)
        self._learn(changes.endpoints)
        is_enough = distrusted == self._distrusted
        if is_enough:
            self.version = changes.version
        self._tell_standings(changes, changed, before, restores=changes.is_whole and is_enough)
        return changed

    def _tell_standings(
        self, changes: Changes, changed: frozenset[UUID], before: Mapping[UUID, Endpoint], *, restores: bool
    ) -> None:
        """What was learnt of an endpoint ends with its URL; its breaker with any change to it alone."""
        now = self._endpoints
        self._standings.forget(
            each for each in changed & before.keys() if each not in now or now[each].url != before[each].url
        )
        # Who was stopped, or goes on, begins anew; any other change, such as a retry's, says nothing of its failures.
        self._standings.failing.forget(
            each for each in changed & before.keys() & now.keys() if now[each].hold != before[each].hold
        )
        if restores:
            self._standings.restore(changes.open_for, changes.throttled_for, changes.failing)
        elif not changes.is_whole:
            self._standings.reset(changed)

    def _forget(self, ids: Iterable[UUID]) -> None:
        for endpoint_id in ids:
            known = self._endpoints.pop(endpoint_id, None)
            if known is not None:
                self._subscriptions.remove(known)

    def _learn(self, endpoints: Iterable[Endpoint]) -> None:
        for endpoint in endpoints:
            self._endpoints[endpoint.id] = endpoint
            self._subscriptions.add(endpoint)
        self._subscriptions.answers.clear()
        self._find_first_end()
        self.has_ordered = any(e.ordered for e in self._endpoints.values())
        self.has_filters = any(e.filter is not None for e in self._endpoints.values())
        self.longest_timeout = max((e.timeout for e in self._endpoints.values()), default=0.0)
