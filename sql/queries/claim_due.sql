-- Claim what is due, for the endpoints that have room, and tell when each of them is due next.
--
-- Endpoint first: with a global order by next_attempt_at a million due rows of one dead endpoint would be walked by
-- every claim. What is claimed is fetched by its place and each event by its key, whatever the planner believes of the
-- sizes: hence the array and the limits of 1.
-- Returns a row per claimed delivery, and one with null event_seq for each endpoint: how many were found
-- (more than were claimed, if the budget cut them; as many as there was room, if there may be more), whether others are
-- due that somebody holds locked, and when the next is due. `taken` counts the claims since the last recorded one, this one left out: claims lost with their process.
--
-- $1 endpoint_ids: endpoints with room
-- $2 rooms: how many each may still take
-- $3 instance: who we are
-- $4 lease: seconds a lease is good for
-- $5 budget: bytes of payload that may be claimed in all; small ones first, so that a large one holds up nobody
-- $6 one_anyway: claim one even if it is over the budget, since nothing is in hand
with room as materialized (
  select endpoint_id, room
  from unnest($1::uuid[], $2::integer[]) as r(endpoint_id, room)
),
found as materialized (
  select d.*
  from room
  cross join lateral (
    select ctid as place, event_seq, endpoint_id, size, next_attempt_at
    from relay.delivery
    where endpoint_id = room.endpoint_id
      and next_attempt_at <= now()
      and claimed_by is null
    order by next_attempt_at
    limit room.room
    for update skip locked
  ) as d
),
afforded as materialized (
  select place
  from (
    select *, sum(size) over (order by size, next_attempt_at, event_seq, endpoint_id rows unbounded preceding) as running
    from found
  ) as f
  where running <= $5::bigint
    or ($6::boolean and running = size)
),
claimed as (
  update relay.delivery d
  set
    claim = d.claim + 1,
    claimed_by = $3::bigint,
    next_attempt_at = now() + $4::double precision * interval '1 second'
  where d.ctid = any(array(select place from afforded))
  returning d.*
)
select
  d.endpoint_id,
  d.event_seq,
  d.claim,
  d.claim - d.recorded - 1 as taken,
  d.attempt,
  d.window_attempt,
  extract(epoch from d.window_started_at)::double precision as window_started_at,
  d.trigger_type,
  d.delivered_before,
  d.size,
  d.ordering_hash,
  extract(epoch from clock_timestamp())::double precision as database_time,
  o.id as event_id,
  o.event_type,
  o.tenant,
  o.sequence,
  o.headers::text as headers,
  o.content_type,
  o.traceparent,
  extract(epoch from o.expires_at)::double precision as expires_at,
  extract(epoch from o.created_at)::double precision as created_at,
  c.event_id is not null or o.expunged_at is not null as cancelled,
  o.payload::text as payload,
  o.body,
  null::bigint as found,
  null::boolean as some_locked,
  null::double precision as next_due_in
from claimed d
left join lateral (
  select *
  from relay.outbox
  where seq = d.event_seq
  limit 1
) as o on true
left join lateral (
  select event_id
  from relay.cancellation
  where event_id = o.id
  limit 1
) as c on true
union all
select
  room.endpoint_id, null, null, null, null, null, null, null, null, null, null,
  extract(epoch from clock_timestamp())::double precision,
  null, null, null, null, null, null, null, null, null, null, null, null,
  seen.found,
  seen.found < room.room and seen.found < due.seen,
  extract(epoch from later.next_attempt_at - now())::double precision
from room
cross join lateral (
  select count(*) as found
  from found f
  where f.endpoint_id = room.endpoint_id
) as seen
cross join lateral (
  select count(*) as seen
  from (
    select
    from relay.delivery
    where endpoint_id = room.endpoint_id
      and next_attempt_at <= now()
      and claimed_by is null
      and seen.found < room.room
    order by next_attempt_at
    limit room.room
  ) as d
) as due
left join lateral (
  select next_attempt_at
  from relay.delivery
  where endpoint_id = room.endpoint_id
    and next_attempt_at > now()
    and claimed_by is null
  order by next_attempt_at
  limit 1
) as later on true
