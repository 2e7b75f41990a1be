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
  select w.place, w.event_seq, w.state
  from walk w
  left join lateral (
    select seq
    from relay.fresh
    where ordering_hash = w.ordering_hash
      and seq < w.event_seq
    limit 1
  ) as f on true
  where w.state <> 'held'
    or f.seq is null
),
free as materialized (
  select ctid as place
  from relay.delivery
  where ctid = any(array(select place from head where state = 'held'))
    and state = 'held'
    and reason = 'order'
  for update skip locked
),
-- A withdrawn one that waits for its next attempt ends now, and not when that comes: others wait for it.
withdrawn as (
  update relay.delivery d
  set next_attempt_at = now()
  where d.ctid = any(array(
      select h.place
      from head h
      join relay.outbox o on o.seq = h.event_seq
      join relay.cancellation c on c.event_id = o.id
      where h.state <> 'held'))
    and d.claimed_by is null
    and d.next_attempt_at > now()
  returning d.endpoint_id, d.next_attempt_at
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
from (select * from released union all select * from withdrawn) as due
group by endpoint_id
