-- Deliveries that match, by their events, the newest first, from a place on; looks at so many events at most. States and
-- reasons are as in the view relay.delivery_status.
--
-- Every row says how far the look went, and there is one without a delivery if it found none: `reached_id` is the last
-- event that was looked at, null when there is nothing left to look at.
-- Goes from the events to what became of each, by keys, so that a list costs the same however long the log is. Limits
-- in lateral subqueries keep the planner from walking the log instead. A tenant's events are found by their index; of
-- those without a tenant there is none, so they are told apart afterwards.
-- An attempt is not older than its event, but for clocks that differ: so most days of the log are not looked at.
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
-- $12 look: at most so many events are looked at
-- $13 number: at most so many deliveries are found
with looked as materialized (
  select seq, id, event_type, tenant, created_at, deliver_at
  from relay.outbox
  where ($9::bigint is null or seq <= $9)
    and seq >= $11::bigint
    and ($4::text is null or $4 = '' or tenant = $4)
  order by seq desc
  limit $12::bigint
),
reached as (
  select case when count(*) = $12 then min(seq) end as seq
  from looked
),
matching as materialized (
  select *
  from looked
  where ($4 is null or tenant = $4)
    and (
      $3::text is null
      or event_type = $3
      or $3 = '*'
      or ($3 like '%.*' and starts_with(event_type, left($3, -1)))
    )
    and ($5::timestamptz is null or created_at >= $5)
    and ($6::timestamptz is null or created_at < $6)
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
  from matching o
  cross join lateral (
    select *
    from relay.delivery
    where event_seq = o.seq
      and ($2::uuid is null or endpoint_id = $2)
      and not delivered_before
    limit 100000
  ) as d
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
),
delivered as (
  select
    o.seq as event_seq, o.id as event_id, a.endpoint_id, o.event_type, o.tenant, 'delivered' as state,
    null::text as reason, a.attempt as attempts, a.status_code as last_status_code, null::text as last_error,
    null::timestamptz as next_attempt_at, o.created_at,
    a.attempted_at + a.duration_ms * interval '1 millisecond' as ended_at
  from matching o
  cross join lateral (
    select endpoint_id, attempt, status_code, attempted_at, duration_ms
    from relay.attempt
    where event_seq = o.seq
      and ($2 is null or endpoint_id = $2)
      and attempted_at >= o.created_at - interval '1 day'
      and attempted_at < now() + interval '1 day'
      and outcome = 'delivered'
      and ended
    limit 100000
  ) as a
),
waiting as materialized (
  select f.seq
  from relay.fresh f
  where f.seq between (select min(seq) from matching) and (select max(seq) from matching)
),
unsent as (
  select
    o.seq as event_seq, o.id as event_id, null::uuid as endpoint_id, o.event_type, o.tenant,
    case when c.event_id is null then 'pending' else 'cancelled' end as state,
    null::text as reason, 0 as attempts, null::integer as last_status_code, null::text as last_error,
    o.deliver_at as next_attempt_at, o.created_at, null::timestamptz as ended_at
  from matching o
  join waiting w on w.seq = o.seq
  left join lateral (select event_id from relay.cancellation where event_id = o.id limit 1) as c on true
),
unrouted as (
  select
    o.seq as event_seq, o.id as event_id, null::uuid as endpoint_id, o.event_type, o.tenant,
    case u.reason when 'no_subscription' then 'unrouted' when 'unprocessable' then 'dead' else 'cancelled' end as state,
    u.reason, 0 as attempts, null::integer as last_status_code, u.detail as last_error,
    null::timestamptz as next_attempt_at, o.created_at, u.noted_at as ended_at
  from matching o
  cross join lateral (select * from relay.unrouted where event_seq = o.seq limit 1) as u
),
found as (
  select *
  from (
    select * from open
    union all
    select * from delivered
    union all
    select * from unsent
    union all
    select * from unrouted
  ) as every
  where ($1::text is null or state = $1)
    and ($2::uuid is null or endpoint_id = $2)
    and ($7::text is null or reason = $7)
    and ($8::integer is null or last_status_code = $8)
    and ($9::bigint is null
      or (event_seq, coalesce(endpoint_id, '00000000-0000-0000-0000-000000000000')) < ($9, $10::uuid))
  order by event_seq desc, endpoint_id desc nulls last
  limit $13::bigint
)
select
  r.seq as reached_seq,
  null::uuid as reached_endpoint,
  (select id from looked where seq = r.seq) as reached_id,
  f.event_seq, f.event_id, f.endpoint_id, f.event_type, f.tenant, f.state, f.reason, f.attempts, f.last_status_code,
  f.last_error, f.next_attempt_at, f.created_at, f.ended_at
from reached r
left join found f on true
order by f.event_seq desc, f.endpoint_id desc nulls last
