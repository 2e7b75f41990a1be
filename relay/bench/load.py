"""What a benchmark puts into the database: endpoints, and events for them."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TypeAlias

import asyncpg

from relay.admin.operations import endpoints
from relay.admin.operations.endpoint_values import NewEndpoint, UrlRules
from relay.config import Delivery, Security
from relay.demo.daemon import LOOPBACK
from relay.http.build import address_policy
from relay.store.secrets import SecretBox
from relay.store.session import Session

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

EVENTS_A_TRANSACTION = 1000
INSERT_EVENTS = """
insert into relay.outbox (event_type, payload)
select
  'bench.g' || k % $3,
  (
    select left(
      format('{"id": %s, "text": "', k) || string_agg(encode(sha512(int8send(k * 1000 + j)), 'hex'), ''),
      $4 - 2) || '"}'
    from generate_series(1, $4 / 128 + 1) as j
  )::json
from generate_series($1::bigint, $2::bigint) as k
"""
"""A payload looks random, so that PostgreSQL cannot compress a large one to nothing."""
LEAST_ENDPOINTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is delivered to whom.

    Attributes:
        endpoints: How many there are.
        fan_out: To how many of them an event goes; a divisor of that.
        payload: Bytes of an event's payload.
    """

    endpoints: int = 20
    fan_out: int = 1
    payload: int = 1024

    @property
    def groups(self) -> int:
        """How many event types there are; each endpoint subscribes to one."""
        return self.endpoints // self.fan_out


async def add_endpoints(dsn: str, shape: Shape, url: Callable[[int], str]) -> tuple[str, ...]:
    """Add the endpoints, at `url(number)`, and return their secrets in the order of their numbers."""
    session = Session(dsn, name="bench")
    try:
        return tuple([
            await _add_endpoint(session, url(number), event_type(number, shape))
            for number in range(shape.endpoints)
        ])  # fmt: skip
    finally:
        await session.close()


async def add_endpoint(dsn: str, url: str, subscription: str) -> None:
    """Add one that no sink stands behind."""
    session = Session(dsn, name="bench")
    try:
        await _add_endpoint(session, url, subscription)
    finally:
        await session.close()


async def add_events(connection: Connection, count: int, shape: Shape) -> None:
    """Commit events, and leave the tables as a quiet database would have them."""
    await commit_events(connection, count, shape)
    await connection.execute("vacuum (analyze) relay.outbox, relay.fresh")
    await connection.execute("checkpoint")


async def commit_events(connection: Connection, count: int, shape: Shape) -> None:
    """Commit events in transactions of a thousand."""
    for first in range(0, count, EVENTS_A_TRANSACTION):
        last = min(first + EVENTS_A_TRANSACTION, count) - 1
        await connection.execute(INSERT_EVENTS, first, last, shape.groups, shape.payload)


def event_types(shape: Shape) -> tuple[str, ...]:
    """Return all types of events."""
    return tuple(event_type(number, shape) for number in range(shape.groups))


def event_type(number: int, shape: Shape) -> str:
    """Return the type of an event, or of what an endpoint subscribes to, by its number."""
    return f"bench.g{number % shape.groups}"


def shape_for(*, fan_out: int, in_flight: int, payload: int) -> Shape:
    """Return a shape with as many endpoints as can have so much in flight at their default cap, at least twenty."""
    wanted = max(LEAST_ENDPOINTS, -(-in_flight // Delivery().max_in_flight_per_endpoint))
    return Shape(endpoints=-(-wanted // fan_out) * fan_out, fan_out=fan_out, payload=payload)


async def _add_endpoint(session: Session, url: str, subscription: str) -> str:
    """Add an endpoint, and return its secret."""
    security = Security(allow_http=True, allow_cidrs=(ip_network(LOOPBACK),))
    rules = UrlRules(
        allow_http=True, allow_ports=security.allow_ports, policy=address_policy(security), own=()
    )
    new = NewEndpoint(url=url, event_types=(subscription,))
    added = await endpoints.add(session, new, rules=rules, box=SecretBox(), actor="bench")
    return added.secret
