-- Let go what is held for an earlier event of its key that has ended without anybody releasing it: discarded by an
-- operator, or recorded by a relay that lost its place to this one. Returns the endpoints that have due work by that.
--
-- A loose index scan: one probe of the index a key, however many deliveries each has.
with recursive walk as (
  (select ctid as place, event_seq, endpoint_id, ordering_hash, state
   from relay.delivery
   where ordering_hash is not null
     and state in ('pending', 'retrying', 'held')
   order by endpoint_id, ordering_hash, look_number, event_seq
   limit 1)
  union all
  select n.place, n.event_seq, n.endpoint_id, n.ordering_hash, n.state
  from walk w
  cross join lateral (
    select ctid as place, event_seq, endpoint_id, ordering_hash, state
    from relay.delivery
    where ordering_hash is not null
      and state in ('pending', 'retrying', 'held')
      and (endpoint_id, ordering_hash) > (w.endpoint_id, w.ordering_hash)
    order by endpoint_id, ordering_hash, look_number, event_seq
    limit 1
  ) as n
),
head as materialized (
  select w.place
  from walk w
  left join lateral (
    select seq
    from relay.fresh
    where ordering_hash = w.ordering_hash
      and seq < w.event_seq
    limit 1
  ) as f on true
  where w.state = 'held'
    and f.seq is null
),
released as (
  update relay.delivery d
  set
    state = case when d.attempt = 0 then 'pending' else 'retrying' end,
    reason = null,
    next_attempt_at = greatest(now(), (select deliver_at from relay.outbox where seq = d.event_seq))
  from head h
  where d.ctid = h.place
    and d.state = 'held'
  returning d.endpoint_id, d.next_attempt_at
)
select endpoint_id, extract(epoch from min(next_attempt_at) - now())::double precision as due_in
from released
group by endpoint_id
