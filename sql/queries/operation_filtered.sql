-- What was selected for endpoints with a filter, with the payloads that it judges, in the order of the key.
--
-- $1 operation_id: the operation
-- $2 after_seq: the last delivery of the call before: its event
-- $3 after_endpoint: and its endpoint
-- $4 number: at most so many
select i.event_seq, i.endpoint_id, o.payload::text as payload, e.filter::text as filter
from relay.operation_delivery i
join relay.endpoint e on e.id = i.endpoint_id and e.filter is not null
join relay.outbox o on o.seq = i.event_seq and o.endpoint_id is null  -- what is addressed to one is not filtered
where i.operation_id = $1::bigint
  and (i.event_seq, i.endpoint_id) > ($2::bigint, $3::uuid)
order by i.event_seq, i.endpoint_id
limit $4::bigint
