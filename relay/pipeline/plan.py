"""What a page of fresh events becomes: which deliveries, which of them at once, and what ends here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple, cast
from uuid import UUID

import asyncpg

from relay.endpoints.endpoint import Endpoint
from relay.endpoints.filters import NotJudged, contains, parse
from relay.endpoints.registry import Registry
from relay.model import Claim
from relay.pipeline.order import Ordering
from relay.pipeline.rows import event_of
from relay.pipeline.slots import Key, Slots
from relay.store.arrays import flags, names, numbers

MOST_DELIVERIES = 5000
"""In one statement; an event for more endpoints keeps its fresh row with how far it got."""


_NOTHING: Mapping[UUID, str] = MappingProxyType({})


class Share(NamedTuple):
    """One fresh event's part of a statement: its deliveries up to some endpoint, or its end.

    Attributes:
        row: The event, as the statement `look` returned it.
        endpoint_ids: In the order of their ids.
        is_finished: No endpoint is left after these.
        unjudged: Endpoints whose filter could not be judged, and why; they get the event.
        ended: Why the event ends here without deliveries, if it does.
        detail: What to tell about that.
    """

    row: asyncpg.Record
    endpoint_ids: tuple[UUID, ...] = ()
    is_finished: bool = True
    unjudged: Mapping[UUID, str] = _NOTHING
    ended: str | None = None
    detail: str | None = None


@dataclass(slots=True)
class Plan:
    """The arguments of one run of the statement `fan_out`, the claims that it will make ours, and what is held.

    Slots for the claims are taken; whoever drops a plan gives them back.
    """

    shares: list[Share]
    keeps_order: bool = False
    claims: dict[Key, Claim] = field(default_factory=dict)
    deliveries: list[tuple[int, UUID, int, bool, float | None]] = field(default_factory=list)
    held: list[tuple[asyncpg.Record, Endpoint]] = field(default_factory=list)
    ordering: Ordering = field(default_factory=Ordering)

    def arguments(self, *, instance: int, lease: float) -> tuple[Any, ...]:
        """Return the arguments of the statement `fan_out`, but for what the look saw."""
        shares, born = self.shares, self.deliveries
        ended = [share for share in shares if share.ended is not None]
        return (
            numbers([share.row["xid"] for share in shares]),
            numbers([share.row["seq"] for share in shares]),
            flags([share.is_finished for share in shares]),
            names([share.endpoint_ids[-1] if share.endpoint_ids else None for share in shares]),
            numbers([seq for seq, _, _, _, _ in born]),
            names([endpoint_id for _, endpoint_id, _, _, _ in born]),
            numbers([size for _, _, size, _, _ in born]),
            flags([leased for _, _, _, leased, _ in born]),
            numbers([not_before for _, _, _, _, not_before in born]),
            instance,
            lease,
            [share.row["seq"] for share in ended],
            [share.ended for share in ended],
            [share.detail for share in ended],
            *self.ordering.arguments(len(born)),
        )

    @property
    def event_ids(self) -> str:
        """The last argument: whose withdrawal is looked for once more."""
        return names([share.row["event_id"] for share in self.shares])


def share_of(row: asyncpg.Record, registry: Registry, *, after: UUID | None, most: int) -> Share:
    """Return what of an event fits into a statement that has room for `most` more deliveries.

    Args:
        row: The event, as the statement `look` returned it.
        registry: Knows who subscribes.
        after: The event was fanned out up to this endpoint before.
        most: At least 1.
    """
    if row["event_id"] is None:
        return Share(row=row)  # deleted before it was fanned out: only the fresh row is left to go
    if row["cancelled"]:
        return Share(row=row, ended="cancelled")
    wanted = registry.match(tenant=row["tenant"], event_type=row["event_type"], only=row["endpoint_id"])
    unjudged = _NOTHING
    # Without its payload it was read before anybody had a filter.
    if registry.has_filters and row["endpoint_id"] is None and row["complete"]:
        wanted, unjudged = _passing(wanted, row["payload"], registry)
    if not wanted:
        return Share(row=row, ended="no_subscription")
    if after is not None:
        wanted = tuple(endpoint_id for endpoint_id in wanted if endpoint_id > after)
    return Share(row=row, endpoint_ids=wanted[:most], is_finished=len(wanted) <= most, unjudged=unjudged)


def _passing(
    wanted: tuple[UUID, ...], payload: str | None, registry: Registry
) -> tuple[tuple[UUID, ...], Mapping[UUID, str]]:
    """Return the endpoints whose filter the payload passes; it is read once, and only if one of them has a filter.

    What cannot be judged passes: an event too many is better than one lost. What is no JSON passes no filter.
    """
    filters = {
        each: endpoint.filter for each in wanted if (endpoint := registry.get(each)) and endpoint.filter
    }
    if not filters:
        return wanted, _NOTHING
    passing, unjudged = set(wanted) - filters.keys(), dict[UUID, str]()
    for endpoint_id, condition in filters.items():
        try:
            if payload is not None and contains(_parsed(payload), condition):
                passing.add(endpoint_id)
        except NotJudged as error:
            passing.add(endpoint_id)
            unjudged[endpoint_id] = str(error)
    return tuple(each for each in wanted if each in passing), unjudged


_parsed = lru_cache(maxsize=1)(parse)
"""The last payload: that of the event at hand, for all who have a filter."""


def plan(
    shares: list[Share], registry: Registry, slots: Slots, *, now: float, keeps_order: bool = False
) -> Plan:
    """Decide for each delivery whether it is leased at once, and take the slots of those that are.

    Args:
        shares: In the order of their events' seq, if order is kept.
        registry: Knows the endpoints.
        slots: Are taken.
        now: Unix time by the database's clock.
        keeps_order: The look has its number, so deliveries may have a place.
    """
    result = Plan(shares=shares, keeps_order=keeps_order)
    try:
        for share in shares:
            _add(share, result, registry, slots, now)
    except BaseException:
        for key in result.claims:
            slots.give_back(key)
        raise
    return result


def _add(share: Share, result: Plan, registry: Registry, slots: Slots, now: float) -> None:
    row = share.row
    seq, size = row["seq"], row["size"]
    not_before = row["deliver_at"] if (row["deliver_at"] or 0.0) > now else None
    # An event whose body was over the look's budget is only written down; it comes with a later claim.
    event = event_of(row, seq) if row["complete"] and not_before is None else None
    for endpoint_id in share.endpoint_ids:
        endpoint = registry.get(endpoint_id)
        key = (
            row["ordering_hash"] if result.keeps_order and endpoint is not None and endpoint.ordered else None
        )
        follows = key is not None and result.ordering.add(len(result.deliveries), endpoint_id, key)
        if endpoint is not None and endpoint.hold is not None:
            result.held.append((row, endpoint))
            leased = False
        else:
            is_free = event is not None and endpoint is not None and not follows
            leased = is_free and slots.take_for(cast("Endpoint", endpoint), seq, size)
        if leased:
            result.claims[seq, endpoint_id] = Claim(seq, endpoint_id, event, 1, size, ordering_hash=key)
        result.deliveries.append((seq, endpoint_id, size, leased, not_before))
