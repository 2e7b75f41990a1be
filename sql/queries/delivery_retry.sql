-- Send deliveries again, at once and with a new retry window, and say for each what became of the wish.
--
-- Takes at most 1000. A delivery that is in flight, that waits for an earlier one of its ordering key, or that somebody
-- else holds locked, is left alone. One that was delivered gets a row of its own that ends with its one attempt; its
-- claims go on from the log's, whose key they are.
-- Relies on the trigger of relay.endpoint, by which the relay looks at the endpoints at once. Their rows are locked
-- first and in order: whoever changes an endpoint locks its row and then the registry, and so nobody waits in a circle.
--
-- $1 event_ids: the deliveries' events
-- $2 endpoint_ids: and their endpoints
-- $3 redeliver: whether one that was delivered is sent again
-- $4 actor: who does it
-- $5 selection: JSON text, what selected them, noted once in the audit; null: each is noted by its name
with asked as materialized (
  select distinct
    t.event_id,
    t.endpoint_id,
    o.seq as event_seq,
    o.expires_at <= now() as is_expired,
    c.event_id is not null as is_cancelled,
    e.removed_at is not null as is_removed,
    e.state <> 'active' as is_stopped
  from unnest($1::uuid[], $2::uuid[]) as t(event_id, endpoint_id)
  left join relay.outbox o on o.id = t.event_id
  left join relay.cancellation c on c.event_id = t.event_id
  left join relay.endpoint e on e.id = t.endpoint_id
),
sendable as materialized (
  select a.event_seq, a.endpoint_id
  from asked a
  join relay.endpoint e on e.id = a.endpoint_id
  where a.event_seq is not null
    and a.is_expired is not true
    and not a.is_cancelled
    and not a.is_removed
),
present as materialized (
  select
    event_seq,
    endpoint_id,
    d.state = 'cancelled' as is_cancelled,
    d.state = 'held' and d.reason = 'order' as is_held
  from asked
  join relay.delivery d using (event_seq, endpoint_id)
),
free as materialized (
  select d.event_seq, d.endpoint_id
  from sendable s
  join relay.delivery d using (event_seq, endpoint_id)
  where (d.claimed_by is null or d.next_attempt_at <= now())
    and d.state <> 'cancelled'
    and not (d.state = 'held' and d.reason is not distinct from 'order')
  for update of d skip locked
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
    trigger_type = 'manual',
    ended_at = null
  from free f
  where d.event_seq = f.event_seq
    and d.endpoint_id = f.endpoint_id
  returning d.event_seq, d.endpoint_id
),
delivered as materialized (
  select a.event_seq, a.endpoint_id, max(a.claim) as claim, max(a.attempt) as attempt
  from asked
  join relay.attempt a using (event_seq, endpoint_id)
  where not exists (
    select from present p where p.event_seq = asked.event_seq and p.endpoint_id = asked.endpoint_id
  )
  group by a.event_seq, a.endpoint_id
  having bool_or(a.outcome = 'delivered' and a.ended)
),
inserted as (
  insert into relay.delivery (
    event_seq, endpoint_id, state, next_attempt_at, claim, recorded, attempt, trigger_type, delivered_before, size)
  select
    d.event_seq, d.endpoint_id, 'retrying', now(), d.claim, d.claim, d.attempt, 'manual', true,
    coalesce(octet_length(o.payload::text), octet_length(o.body))
  from delivered d
  join sendable s using (event_seq, endpoint_id)
  join relay.outbox o on o.seq = d.event_seq
  where $3::boolean
  on conflict do nothing
  returning event_seq, endpoint_id
),
scheduled as materialized (
  select event_seq, endpoint_id from renewed
  union all
  select event_seq, endpoint_id from inserted
),
at_endpoints as materialized (
  select id
  from relay.endpoint
  where id in (select endpoint_id from scheduled)
  order by id
  for no key update
),
woken as (
  update relay.endpoint
  set revision = revision
  where id = any((select array_agg(id) from at_endpoints)::uuid[])
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select $4, 'delivery.retry', a.event_id::text || '/' || a.endpoint_id::text, null
  from asked a
  join scheduled s using (event_seq, endpoint_id)
  where $5::text is null
  union all
  select $4, 'delivery.retry', 'deliveries', json_build_object('number', count(*), 'selection', $5::json)
  from scheduled
  where $5 is not null
  having count(*) > 0
)
select
  a.event_id,
  a.endpoint_id,
  case
    when s.event_seq is not null and a.is_stopped then 'held'
    when s.event_seq is not null then 'scheduled'
    when p.event_seq is null and d.event_seq is null then 'not_found'
    when a.is_removed then 'endpoint_removed'
    when a.is_cancelled or p.is_cancelled then 'cancelled'
    when a.is_expired then 'expired'
    when p.is_held then 'held'
    when p.event_seq is not null or $3 then 'in_flight'
    else 'delivered'
  end as result
from asked a
left join scheduled s using (event_seq, endpoint_id)
left join present p using (event_seq, endpoint_id)
left join delivered d using (event_seq, endpoint_id)
