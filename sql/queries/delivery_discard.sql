-- Give deliveries up that have not ended well, and say for each what became of the wish.
--
-- Takes at most 1000. A delivery that is in flight, or that somebody else holds locked, is left alone. The claim is
-- counted up, so that a late outcome of an older claim finds nothing to change.
--
-- $1 event_ids: the deliveries' events
-- $2 endpoint_ids: and their endpoints
-- $3 actor: who does it
-- $4 selection: JSON text, what selected them, noted once in the audit; null: each is noted by its name
with asked as materialized (
  select distinct t.event_id, t.endpoint_id, o.seq as event_seq, c.event_id is not null as is_cancelled
  from unnest($1::uuid[], $2::uuid[]) as t(event_id, endpoint_id)
  left join relay.outbox o on o.id = t.event_id
  left join relay.cancellation c on c.event_id = t.event_id
),
present as materialized (
  select event_seq, endpoint_id, d.state = 'cancelled' as is_cancelled
  from asked
  join relay.delivery d using (event_seq, endpoint_id)
),
free as materialized (
  select d.event_seq, d.endpoint_id, d.delivered_before
  from asked a
  join relay.delivery d using (event_seq, endpoint_id)
  where not a.is_cancelled
    and d.state <> 'cancelled'
    and (d.claimed_by is null or d.next_attempt_at <= now())
  for update of d skip locked
),
dropped as (
  delete from relay.delivery d
  using free f
  where d.event_seq = f.event_seq
    and d.endpoint_id = f.endpoint_id
    and f.delivered_before
),
ended as (
  update relay.delivery d
  set
    state = 'dead',
    reason = 'discarded',
    next_attempt_at = null,
    claimed_by = null,
    claim = d.claim + 1,
    recorded = d.claim + 1,
    ended_at = coalesce(d.ended_at, now())
  from free f
  where d.event_seq = f.event_seq
    and d.endpoint_id = f.endpoint_id
    and not f.delivered_before
),
delivered as materialized (
  select distinct a.event_seq, a.endpoint_id
  from asked
  join relay.attempt a using (event_seq, endpoint_id)
  where a.outcome = 'delivered'
    and a.ended
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select $3, 'delivery.discard', a.event_id::text || '/' || a.endpoint_id::text, null
  from asked a
  join free f using (event_seq, endpoint_id)
  where $4::text is null
  union all
  select $3, 'delivery.discard', 'deliveries', json_build_object('number', count(*), 'selection', $4::json)
  from free
  where $4 is not null
  having count(*) > 0
)
select
  a.event_id,
  a.endpoint_id,
  case
    when f.event_seq is not null then 'discarded'
    when a.is_cancelled or p.is_cancelled then 'cancelled'
    when p.event_seq is not null then 'in_flight'
    when d.event_seq is not null then 'delivered'
    else 'not_found'
  end as result
from asked a
left join free f using (event_seq, endpoint_id)
left join present p using (event_seq, endpoint_id)
left join delivered d using (event_seq, endpoint_id)
