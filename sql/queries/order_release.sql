-- Let the next delivery of each of these keys go, where the earlier ones have ended. Returns the endpoints that have
-- due work by that.
--
-- An earlier event that is still fresh is waited for: it is fanned out soon, and the sweep comes by.
--
-- By key, whatever the planner believes of the sizes: hence the limits of 1.
--
-- $1 endpoint_ids: ordered endpoints
-- $2 ordering_hashes: a key of each
with ended as (
  select distinct endpoint_id, ordering_hash
  from unnest($1::uuid[], $2::bigint[]) as e(endpoint_id, ordering_hash)
),
head as materialized (
  select h.place
  from ended e
  cross join lateral (
    select ctid as place, event_seq, endpoint_id, ordering_hash, state
    from relay.delivery
    where endpoint_id = e.endpoint_id
      and ordering_hash = e.ordering_hash
      and state in ('pending', 'retrying', 'held')
    order by look_number, event_seq
    limit 1
  ) as h
  left join lateral (
    select seq
    from relay.fresh
    where ordering_hash = h.ordering_hash
      and seq < h.event_seq
    limit 1
  ) as f on true
  where h.state = 'held'
    and f.seq is null
),
-- What somebody else holds locked is left to the sweep: nothing waits here while outcomes wait behind it.
free as materialized (
  select ctid as place
  from relay.delivery
  where ctid = any(array(select place from head))
    and state = 'held'
    and reason = 'order'
  for update skip locked
),
released as (
  update relay.delivery d
  set
    state = case when d.attempt = 0 then 'pending' else 'retrying' end,
    reason = null,
    next_attempt_at = greatest(now(), (select deliver_at from relay.outbox where seq = d.event_seq))
  where d.ctid = any(array(select place from free))
  returning d.endpoint_id, d.next_attempt_at
)
select endpoint_id, extract(epoch from min(next_attempt_at) - now())::double precision as due_in
from released
group by endpoint_id
