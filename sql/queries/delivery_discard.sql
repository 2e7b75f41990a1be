-- Give deliveries up that have not ended well, and say for each what became of the wish.
--
-- Takes at most 1000. A delivery that is in flight, or that somebody else holds locked, is left alone. The claim is
-- counted up, so that a late outcome of an older claim finds nothing to change.
--
-- $1 event_seqs: the deliveries' events
-- $2 endpoint_ids: and their endpoints
-- $3 actor: who does it, for the audit; null: it is noted elsewhere
with asked as materialized (
  select
    t.event_seq,
    t.endpoint_id,
    o.id as event_id,
    c.event_id is not null as is_cancelled,
    d.place,
    d.place is not null as is_present,
    d.is_ended
  from (select distinct event_seq, endpoint_id from unnest($1::bigint[], $2::uuid[]) as t(event_seq, endpoint_id)) as t
  left join lateral (
    select id
    from relay.outbox
    where seq = t.event_seq
    limit 1
  ) as o on true
  left join lateral (
    select event_id
    from relay.cancellation
    where event_id = o.id
    limit 1
  ) as c on true
  left join lateral (
    select ctid as place, state = 'cancelled' as is_ended
    from relay.delivery
    where event_seq = t.event_seq
      and endpoint_id = t.endpoint_id
    limit 1
  ) as d on true
),
free as materialized (
  select a.event_seq, a.endpoint_id, a.event_id, d.place, d.delivered_before
  from asked a
  cross join lateral (
    select ctid as place, delivered_before
    from relay.delivery
    where ctid = a.place
      and state <> 'cancelled'
      and (claimed_by is null or next_attempt_at <= now())
    limit 1
    for update skip locked
  ) as d
  where not a.is_cancelled
),
dropped as (
  delete from relay.delivery
  where ctid = any(array(select place from free where delivered_before))
  returning event_seq, endpoint_id
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
  where d.ctid = any(array(select place from free where not delivered_before))
  returning event_seq, endpoint_id
),
done as materialized (
  select event_seq, endpoint_id from dropped
  union all
  select event_seq, endpoint_id from ended
),
-- What the log tells is asked of those only that have no row.
logged as materialized (
  select a.event_seq, a.endpoint_id
  from asked a
  cross join lateral (
    select 1
    from relay.attempt
    where event_seq = a.event_seq
      and endpoint_id = a.endpoint_id
      and outcome = 'delivered'
      and ended
    limit 1
  ) as l
  where not a.is_present
),
noted as (
  insert into relay.audit (actor, action, object)
  select $3, 'delivery.discard', f.event_id::text || '/' || f.endpoint_id::text
  from free f
  join done using (event_seq, endpoint_id)
  where $3::text is not null
)
select
  a.event_seq,
  a.endpoint_id,
  case
    when d.event_seq is not null then 'discarded'
    when a.is_cancelled or a.is_ended then 'cancelled'
    when a.is_present then 'in_flight'
    when l.event_seq is not null then 'delivered'
    else 'not_found'
  end as result
from asked a
left join done d using (event_seq, endpoint_id)
left join logged l using (event_seq, endpoint_id)
