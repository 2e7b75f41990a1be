"""Fills a database as months of use and an endpoint that died leave it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from relay.bench.load import Connection, add_endpoint
from tests.bench.harness import say

DEAD_HOST = "127.0.0.250"
DEAD_TYPE = "bench.dead"
ATTEMPTS_AN_EVENT = 10
PIECE = 100_000
"""Events whose attempts are inserted in one transaction."""
EVENTS = """
insert into relay.outbox (event_type, payload)
select 'bench.dead', json_build_object('id', k)
from generate_series(1, $1::integer) as k
"""
DUE = """
insert into relay.delivery (
  event_seq, endpoint_id, state, next_attempt_at, claim, recorded, attempt, window_attempt, window_started_at, size,
  last_error_code, last_error)
select
  o.seq, e.id, 'retrying', now() - random() * interval '1 hour', 3, 3, 3, 3, now() - interval '2 hours', 12,
  'connection_refused', 'Connect call failed'
from relay.outbox o
cross join relay.endpoint e
where e.event_types = '{bench.dead}'
"""
LATER = """
with live as (
  select array_agg(id order by id) as ids
  from relay.endpoint
  where event_types <> '{bench.dead}'
)
insert into relay.delivery (
  event_seq, endpoint_id, state, next_attempt_at, claim, recorded, attempt, window_attempt, window_started_at, size,
  last_status_code)
select
  o.seq, live.ids[1 + o.seq % cardinality(live.ids)], 'retrying',
  now() + interval '1 day' + random() * interval '1 hour', 3, 3, 3, 3, now() - interval '2 hours', 12, 503
from live
cross join relay.outbox o
"""
LOG = """
with live as (
  select array_agg(id order by id) as ids
  from relay.endpoint
  where event_types <> '{bench.dead}'
)
insert into relay.attempt (
  event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code, stale, ended, outcome, trigger_type,
  url, request_headers)
select
  seq, live.ids[1 + (seq + j) % cardinality(live.ids)], 1 + (j - 1) / cardinality(live.ids),
  date_trunc('day', now(), 'UTC') + (now() - date_trunc('day', now(), 'UTC')) * (seq::double precision / $3),
  1, 3, 200, false, true, 'delivered', 'automatic', 'http://127.0.0.1/' || j, '{}'
from live
cross join generate_series($1::bigint, $2::bigint) as seq
cross join generate_series(1, 10) as j
order by seq
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fullness:
    """How full a database is.

    Attributes:
        events: In the outbox; each is due for the dead endpoint, and a day later for a living one.
        url: Of the dead endpoint.
    """

    events: int
    url: str

    @property
    def attempts(self) -> int:
        """How many rows the log has."""
        return self.events * ATTEMPTS_AN_EVENT

    async def fill(self, dsn: str, connection: Connection) -> None:
        """Put everything in; the log all into today's partition, whose indexes new rows go into."""
        await add_endpoint(dsn, self.url, DEAD_TYPE)
        say(f"  filling a database with {self.events} events and {self.attempts} attempts")
        await connection.execute(EVENTS, self.events)
        await connection.execute("truncate relay.fresh")
        await connection.execute("analyze relay.outbox")
        await connection.execute(DUE)
        await connection.execute(LATER)
        for first in range(1, self.events + 1, PIECE):
            last = min(first + PIECE - 1, self.events)
            await connection.execute(LOG, first, last, self.events)


@contextmanager
def nobody_listens() -> Iterator[str]:
    """Give a URL whose connections are refused: its port is bound, so that nobody else can take it."""
    with socket.socket() as bound:
        bound.bind((DEAD_HOST, 0))
        yield f"http://{DEAD_HOST}:{bound.getsockname()[1]}/dead"
