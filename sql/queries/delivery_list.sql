-- Deliveries that match, by their events, newest first; states and reasons as in the view relay.delivery_status.
--
-- Written branch by branch, each with its own limit on the key it is sorted by, so that a list costs the same however
-- long the log is; the view would have to be read to its end.
--
-- $1 state: only this one; null for all
-- $2 endpoint_id: only of this endpoint; null for all
-- $3 event_type: a type, or a pattern such as invoice.*; null for all
-- $4 tenant: only of this one; null for all
-- $5 since: only of events inserted then or later; null for all
-- $6 until: only of events inserted before; null for all
-- $7 reason: why it is dead or held; null for all
-- $8 status_code: of the last attempt; null for all
-- $9 number: at most so many
with open as (
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
  from relay.delivery d
  join relay.outbox o on o.seq = d.event_seq
  left join relay.endpoint e on e.id = d.endpoint_id
  left join relay.cancellation c on c.event_id = o.id
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
  where not d.delivered_before
),
delivered as (
  select
    a.event_seq, o.id as event_id, a.endpoint_id, o.event_type, o.tenant, 'delivered' as state,
    null::text as reason, a.attempt as attempts, a.status_code as last_status_code, null::text as last_error,
    null::timestamptz as next_attempt_at, o.created_at,
    a.attempted_at + a.duration_ms * interval '1 millisecond' as ended_at
  from relay.attempt a
  join relay.outbox o on o.seq = a.event_seq
  where a.outcome = 'delivered'
    and a.ended
),
unsent as (
  select
    f.seq as event_seq, o.id as event_id, null::uuid as endpoint_id, o.event_type, o.tenant,
    case when c.event_id is null then 'pending' else 'cancelled' end as state,
    null::text as reason, 0 as attempts, null::integer as last_status_code, null::text as last_error,
    o.deliver_at as next_attempt_at, o.created_at, null::timestamptz as ended_at
  from relay.fresh f
  join relay.outbox o on o.seq = f.seq
  left join relay.cancellation c on c.event_id = o.id
),
unrouted as (
  select
    u.event_seq, o.id as event_id, null::uuid as endpoint_id, o.event_type, o.tenant,
    case u.reason when 'no_subscription' then 'unrouted' when 'unprocessable' then 'dead' else 'cancelled' end as state,
    u.reason, 0 as attempts, null::integer as last_status_code, u.detail as last_error,
    null::timestamptz as next_attempt_at, o.created_at, u.noted_at as ended_at
  from relay.unrouted u
  join relay.outbox o on o.seq = u.event_seq
)
select
  event_id, endpoint_id, event_type, tenant, state, reason, attempts, last_status_code, last_error,
  next_attempt_at, created_at, ended_at
from (
  (select * from open
    where ($1::text is null or state = $1)
      and ($2::uuid is null or endpoint_id = $2)
      and (
        $3::text is null
        or event_type = $3
        or $3 = '*'
        or ($3 like '%.*' and starts_with(event_type, left($3, -1)))
      )
      and ($4::text is null or tenant = $4)
      and ($5::timestamptz is null or created_at >= $5)
      and ($6::timestamptz is null or created_at < $6)
      and ($7::text is null or reason = $7)
      and ($8::integer is null or last_status_code = $8)
    order by event_seq desc
    limit $9::bigint)
  union all
  (select * from delivered
    where ($1::text is null or state = $1)
      and ($2::uuid is null or endpoint_id = $2)
      and (
        $3::text is null
        or event_type = $3
        or $3 = '*'
        or ($3 like '%.*' and starts_with(event_type, left($3, -1)))
      )
      and ($4::text is null or tenant = $4)
      and ($5::timestamptz is null or created_at >= $5)
      and ($6::timestamptz is null or created_at < $6)
      and ($7::text is null or reason = $7)
      and ($8::integer is null or last_status_code = $8)
    order by event_seq desc
    limit $9::bigint)
  union all
  (select * from unsent
    where ($1::text is null or state = $1)
      and ($2::uuid is null or endpoint_id = $2)
      and (
        $3::text is null
        or event_type = $3
        or $3 = '*'
        or ($3 like '%.*' and starts_with(event_type, left($3, -1)))
      )
      and ($4::text is null or tenant = $4)
      and ($5::timestamptz is null or created_at >= $5)
      and ($6::timestamptz is null or created_at < $6)
      and ($7::text is null or reason = $7)
      and ($8::integer is null or last_status_code = $8)
    order by event_seq desc
    limit $9::bigint)
  union all
  (select * from unrouted
    where ($1::text is null or state = $1)
      and ($2::uuid is null or endpoint_id = $2)
      and (
        $3::text is null
        or event_type = $3
        or $3 = '*'
        or ($3 like '%.*' and starts_with(event_type, left($3, -1)))
      )
      and ($4::text is null or tenant = $4)
      and ($5::timestamptz is null or created_at >= $5)
      and ($6::timestamptz is null or created_at < $6)
      and ($7::text is null or reason = $7)
      and ($8::integer is null or last_status_code = $8)
    order by event_seq desc
    limit $9::bigint)
) as every
order by event_seq desc, endpoint_id
limit $9
