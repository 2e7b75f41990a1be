-- Deliveries that match and were not delivered, by their events, the newest first, from a place on; looks at so many at
-- most. States and reasons are as in the view relay.delivery_status.
--
-- As delivery_page, but goes from the deliveries to their events: those that fail are few among many events.
-- Every row says how far the look went, and there is one without a delivery if it found none: `reached_id` and
-- `reached_endpoint` are of the last that was looked at, null when there is nothing left to look at.
--
-- $1 state: only this one; null for all
-- $2 endpoint_id: only of this endpoint; null for all
-- $3 event_type: a type, or a pattern such as invoice.*; null for all
-- $4 tenant: only of this one; null for all
-- $5 since: only of events inserted then or later; null for all
-- $6 until: only of events inserted before; null for all
-- $7 reason: why it is dead or held; null for all
-- $8 status_code: of the last attempt; null for all
-- $9 before_seq: from before this place; null from the newest
-- $10 before_endpoint: and the delivery there
-- $11 first_seq: none of events before this place
-- $12 look: at most so many of each kind are looked at
-- $13 number: at most so many deliveries are found
with looked_deliveries as materialized (
  select event_seq, endpoint_id, state, last_status_code, delivered_before
  from relay.delivery
  where $1::text is distinct from 'unrouted'
    and ($9::bigint is null or (event_seq, endpoint_id) < ($9, $10::uuid))
    and event_seq >= $11::bigint
  order by event_seq desc, endpoint_id desc
  limit $12::bigint
),
looked_fresh as materialized (
  select seq
  from relay.fresh
  where ($1 is null or $1 in ('pending', 'cancelled'))
    and $8::integer is null
    and ($9 is null or seq < $9 or (seq = $9 and $10 > '00000000-0000-0000-0000-000000000000'))
    and seq >= $11
    and $2::uuid is null
  order by seq desc
  limit $12
),
looked_unrouted as materialized (
  select event_seq
  from relay.unrouted
  where ($1 is null or $1 in ('unrouted', 'dead', 'cancelled'))
    and $8 is null
    and ($9 is null or event_seq < $9 or (event_seq = $9 and $10 > '00000000-0000-0000-0000-000000000000'))
    and event_seq >= $11
    and $2 is null
  order by event_seq desc
  limit $12
),
-- Where the first of them broke off; what others saw beyond that is left to the next look.
reached as materialized (
  select max(seq) as seq, (array_agg(endpoint_id order by seq desc, endpoint_id desc))[1] as endpoint_id
  from (
    (select event_seq as seq, endpoint_id
     from looked_deliveries
     where (select count(*) from looked_deliveries) = $12
     order by event_seq, endpoint_id
     limit 1)
    union all
    select min(seq), '00000000-0000-0000-0000-000000000000'
    from looked_fresh
    having count(*) = $12
    union all
    select min(event_seq), '00000000-0000-0000-0000-000000000000'
    from looked_unrouted
    having count(*) = $12
  ) as broken_off
),
open as (
  select
    d.event_seq, o.id as event_id, d.endpoint_id, o.event_type, o.tenant,
    case
      when d.state in ('dead', 'cancelled') then d.state
      when d.claimed_by is not null and d.next_attempt_at > now() then 'in_flight'
      when c.event_id is not null then 'cancelled'
      when d.state = 'held' or hold.reason is not null then 'held'
      else d.state
    end as state,
    case
      when d.state in ('dead', 'cancelled', 'held') then d.reason
      when c.event_id is not null then null
      when hold.reason is not null then hold.reason
      when d.state = 'pending' and o.deliver_at > now() then 'deliver_at'
    end as reason,
    d.attempt as attempts,
    d.last_status_code,
    coalesce(d.last_error, d.last_error_code) as last_error,
    case when d.claimed_by is null then d.next_attempt_at end as next_attempt_at,
    o.created_at,
    d.ended_at
  from looked_deliveries l
  cross join lateral (
    select *
    from relay.delivery
    where event_seq = l.event_seq
      and endpoint_id = l.endpoint_id
    limit 1
  ) as d
  cross join lateral (select * from relay.outbox where seq = d.event_seq limit 1) as o
  left join relay.endpoint e on e.id = d.endpoint_id
  left join lateral (select event_id from relay.cancellation where event_id = o.id limit 1) as c on true
  left join lateral (
    select case
      when e.state = 'paused' then 'endpoint_paused'
      when e.state = 'disabled' then 'endpoint_disabled'
      when exists (select from relay.pause p where p.tenant is null or p.tenant = e.tenant) then 'sending_paused'
      when not exists (
        select from relay.endpoint_secret s
        where s.endpoint_id = e.id and (s.expires_at is null or s.expires_at > now())) then 'secret_missing'
    end as reason
  ) as hold on true
  where not l.delivered_before
    and ($2 is null or l.endpoint_id = $2)
    and ($8 is null or l.last_status_code = $8)
    and case
      when $1 is null then true
      when $1 = 'dead' then l.state = 'dead'
      when $1 = 'cancelled' then l.state <> 'dead'
      when $1 in ('held', 'in_flight') then l.state not in ('dead', 'cancelled')
      else l.state = $1
    end
    and ($4::text is null or o.tenant = $4)
    and (
      $3::text is null
      or o.event_type = $3
      or $3 = '*'
      or ($3 like '%.*' and starts_with(o.event_type, left($3, -1)))
    )
    and ($5::timestamptz is null or o.created_at >= $5)
    and ($6::timestamptz is null or o.created_at < $6)
),
unsent as (
  select
    o.seq as event_seq, o.id as event_id, null::uuid as endpoint_id, o.event_type, o.tenant,
    case when c.event_id is null then 'pending' else 'cancelled' end as state,
    null::text as reason, 0 as attempts, null::integer as last_status_code, null::text as last_error,
    o.deliver_at as next_attempt_at, o.created_at, null::timestamptz as ended_at
  from looked_fresh l
  cross join lateral (select * from relay.outbox where seq = l.seq limit 1) as o
  left join lateral (select event_id from relay.cancellation where event_id = o.id limit 1) as c on true
  where ($4 is null or o.tenant = $4)
    and (
      $3 is null
      or o.event_type = $3
      or $3 = '*'
      or ($3 like '%.*' and starts_with(o.event_type, left($3, -1)))
    )
    and ($5 is null or o.created_at >= $5)
    and ($6 is null or o.created_at < $6)
),
unrouted as (
  select
    o.seq as event_seq, o.id as event_id, null::uuid as endpoint_id, o.event_type, o.tenant,
    case u.reason when 'no_subscription' then 'unrouted' when 'unprocessable' then 'dead' else 'cancelled' end as state,
    u.reason, 0 as attempts, null::integer as last_status_code, u.detail as last_error,
    null::timestamptz as next_attempt_at, o.created_at, u.noted_at as ended_at
  from looked_unrouted l
  cross join lateral (select * from relay.unrouted where event_seq = l.event_seq limit 1) as u
  cross join lateral (select * from relay.outbox where seq = l.event_seq limit 1) as o
  where ($4 is null or o.tenant = $4)
    and (
      $3 is null
      or o.event_type = $3
      or $3 = '*'
      or ($3 like '%.*' and starts_with(o.event_type, left($3, -1)))
    )
    and ($5 is null or o.created_at >= $5)
    and ($6 is null or o.created_at < $6)
),
found as (
  select every.*
  from (
    select * from open
    union all
    select * from unsent
    union all
    select * from unrouted
  ) as every
  cross join reached r
  where ($1 is null or every.state = $1)
    and ($7::text is null or every.reason = $7)
    and ($8 is null or every.last_status_code = $8)
    and (r.seq is null
      or (every.event_seq, coalesce(every.endpoint_id, '00000000-0000-0000-0000-000000000000'))
        >= (r.seq, r.endpoint_id))
  order by event_seq desc, every.endpoint_id desc nulls last
  limit $13::bigint
)
select
  r.seq as reached_seq,
  r.endpoint_id as reached_endpoint,
  (select id from relay.outbox where seq = r.seq) as reached_id,
  f.event_seq, f.event_id, f.endpoint_id, f.event_type, f.tenant, f.state, f.reason, f.attempts, f.last_status_code,
  f.last_error, f.next_attempt_at, f.created_at, f.ended_at
from reached r
left join found f on true
order by f.event_seq desc, f.endpoint_id desc nulls last
