-- The next deliveries of an operation, in the order of their key, to be done with in the same transaction. Returns nothing
-- if there are none left, if it is not running any more, or if somebody else is at it.
--
-- $1 operation_id: the operation
-- $2 number: at most so many
with running as materialized (
  select id, after_seq, after_endpoint, redeliver, make_missing
  from relay.operation
  where id = $1::bigint
    and state = 'running'
  for update skip locked
)
select i.event_seq, i.endpoint_id, r.redeliver, r.make_missing
from running r
cross join lateral (
  select event_seq, endpoint_id
  from relay.operation_delivery
  where operation_id = r.id
    and (event_seq, endpoint_id) > (r.after_seq, r.after_endpoint)
  order by operation_id, event_seq, endpoint_id
  limit $2::bigint
) as i
order by i.event_seq, i.endpoint_id
