-- Send deliveries again, at once and with a new retry window, and say for each what became of the wish.
--
-- Takes at most 1000, each found by its key and changed at its place, whatever the planner believes of the sizes. A delivery that is in flight, that waits for an earlier one of its ordering key, or that somebody
-- else holds locked, is left alone. One that was delivered gets a row of its own, whose claims go on from the log's, whose
-- key they are: sent by hand it ends with its one attempt and stays delivered; a replay reopens it. One that never was is
-- made only if that is asked for, and not while its event waits to be fanned out.
-- Retention does not delete an event meanwhile: whoever deletes locks its row first, and is not waited for.
-- Relies on the trigger of relay.endpoint, by which the relay looks at the endpoints at once, and tries those that are
-- left alone; only where a person retries, not for the many of an operation, which the relay does itself. Their rows are locked
-- first and in order: whoever changes an endpoint locks its row and then the registry, and so nobody waits in a circle.
--
-- $1 event_seqs: the deliveries' events
-- $2 endpoint_ids: and their endpoints
-- $3 redeliver: whether one that was delivered is sent again
-- $4 actor: who does it, for the audit; null: it is noted elsewhere
-- $5 trigger_type: manual or replay
-- $6 make_missing: whether one that never was is made
with pinned as materialized (
  select o.*
  from (select distinct seq from unnest($1::bigint[]) as t(seq)) as t
  cross join lateral (
    select id, seq, created_at, expires_at, expunged_at
    from relay.outbox
    where seq = t.seq
    limit 1
    for key share skip locked
  ) as o
),
asked as materialized (
  select
    t.event_seq,
    t.endpoint_id,
    o.id as event_id,
    o.created_at,
    o.expires_at <= now() as is_expired,
    o.expunged_at is not null as is_expunged,
    c.event_id is not null as is_cancelled,
    e.removed_at is not null as is_removed,
    e.state <> 'active' as is_stopped,
    o.seq is not null
      and e.id is not null
      and e.removed_at is null
      and o.expunged_at is null
      and (o.expires_at is null or o.expires_at > now())
      and c.event_id is null as is_sendable,
    d.place,
    d.place is not null as is_present,
    d.is_ended,
    d.is_held
  from (select distinct event_seq, endpoint_id from unnest($1, $2::uuid[]) as t(event_seq, endpoint_id)) as t
  left join pinned o on o.seq = t.event_seq
  left join lateral (
    select event_id
    from relay.cancellation
    where event_id = o.id
    limit 1
  ) as c on true
  left join lateral (
    select id, removed_at, state
    from relay.endpoint
    where id = t.endpoint_id
    limit 1
  ) as e on true
  left join lateral (
    select
      ctid as place,
      state = 'cancelled' as is_ended,
      state = 'held' and reason is not distinct from 'order' as is_held
    from relay.delivery
    where event_seq = t.event_seq
      and endpoint_id = t.endpoint_id
    limit 1
  ) as d on true
),
free as materialized (
  select a.event_seq, a.endpoint_id, d.place
  from asked a
  cross join lateral (
    select ctid as place
    from relay.delivery
    where ctid = a.place
      and (claimed_by is null or next_attempt_at <= now())
      and state <> 'cancelled'
      and not (state = 'held' and reason is not distinct from 'order')
    limit 1
    for update skip locked
  ) as d
  where a.is_sendable
    and a.is_present
),
renewed as (
  update relay.delivery d
  set
    state = case when d.attempt = 0 then 'pending' else 'retrying' end,
    reason = null,
    next_attempt_at = now(),
    claimed_by = null,
    claim = d.claim + case when d.claimed_by is null then 0 else 1 end,
    recorded = d.claim + case when d.claimed_by is null then 0 else 1 end,
    window_attempt = 0,
    window_started_at = null,
    trigger_type = $5::text,
    ended_at = null
  where d.ctid = any(array(select place from free))
  returning d.event_seq, d.endpoint_id
),
-- What the log tells is asked of those only that have no row.
logged as materialized (
  select a.event_seq, a.endpoint_id, a.is_sendable, l.claim, l.attempt, l.is_delivered
  from asked a
  cross join lateral (
    select max(claim) as claim, max(attempt) as attempt, bool_or(outcome = 'delivered' and ended) as is_delivered
    from relay.attempt
    where event_seq = a.event_seq
      and endpoint_id = a.endpoint_id
      and attempted_at >= a.created_at - interval '1 day'
      and not a.is_present
  ) as l
  where not a.is_present
    and a.event_id is not null
),
inserted as (
  insert into relay.delivery (
    event_seq, endpoint_id, state, next_attempt_at, claim, recorded, attempt, trigger_type, delivered_before, size)
  select
    l.event_seq, l.endpoint_id, 'retrying', now(), l.claim, l.claim, l.attempt, $5::text, $5::text = 'manual',
    (select coalesce(octet_length(payload::text), octet_length(body)) from relay.outbox where seq = l.event_seq)
  from logged l
  where $3::boolean
    and l.is_sendable
    and l.is_delivered
  on conflict do nothing
  returning event_seq, endpoint_id, delivered_before
),
to_reopen as materialized (
  select a.part, a.place, a.attempted_at
  from inserted i
  cross join lateral (
    select tableoid as part, ctid as place, attempted_at
    from relay.attempt
    where event_seq = i.event_seq
      and endpoint_id = i.endpoint_id
      and ended
    limit 1
  ) as a
  where not i.delivered_before
),
reopened as (
  update relay.attempt
  set ended = false
  where ctid = any(array(select place from to_reopen))
    and (tableoid, ctid) in (select part, place from to_reopen)
    and attempted_at >= (select min(attempted_at) from to_reopen)
),
made as (
  insert into relay.delivery (event_seq, endpoint_id, next_attempt_at, trigger_type, size)
  select
    l.event_seq, l.endpoint_id, greatest(now(), o.deliver_at), $5::text,
    coalesce(octet_length(o.payload::text), octet_length(o.body))
  from logged l
  cross join lateral (
    select deliver_at, payload, body
    from relay.outbox
    where seq = l.event_seq
    limit 1
  ) as o
  where $6::boolean
    and l.is_sendable
    and l.claim is null
    and not exists (select from relay.fresh f where f.seq = l.event_seq)
  on conflict do nothing
  returning event_seq, endpoint_id
),
routed as (
  delete from relay.unrouted u
  using made m
  where u.event_seq = m.event_seq
),
scheduled as materialized (
  select event_seq, endpoint_id from renewed
  union all
  select event_seq, endpoint_id from inserted
  union all
  select event_seq, endpoint_id from made
),
at_endpoints as materialized (
  select id
  from relay.endpoint
  where $4::text is not null
    and id in (select endpoint_id from scheduled)
  order by id
  for no key update
),
woken as (
  update relay.endpoint
  set revision = revision
  where id = any((select array_agg(id) from at_endpoints)::uuid[])
),
noted as (
  insert into relay.audit (actor, action, object)
  select $4, 'delivery.retry', a.event_id::text || '/' || a.endpoint_id::text
  from asked a
  join scheduled s using (event_seq, endpoint_id)
  where $4::text is not null
)
select
  a.event_seq,
  a.endpoint_id,
  case
    when s.event_seq is not null and a.is_stopped then 'held'
    when s.event_seq is not null then 'scheduled'
    when a.is_removed then 'endpoint_removed'
    when a.is_cancelled or a.is_ended then 'cancelled'
    when a.is_expired then 'expired'
    when a.is_expunged then 'expunged'
    when a.is_held then 'held'
    when a.is_present then 'in_flight'
    when a.event_id is null and exists (select from relay.outbox o where o.seq = a.event_seq) then 'in_flight'
    when l.is_delivered is not true and not ($6 and l.claim is not null) then 'not_found'
    when $3 then 'in_flight'
    else 'delivered'
  end as result
from asked a
left join scheduled s using (event_seq, endpoint_id)
left join logged l using (event_seq, endpoint_id)
