-- Take deliveries out of what was selected for an operation.
--
-- $1 operation_id: the operation
-- $2 event_seqs: the deliveries' events
-- $3 endpoint_ids: and their endpoints
delete from relay.operation_delivery i
using unnest($2::bigint[], $3::uuid[]) as t(event_seq, endpoint_id)
where i.operation_id = $1::bigint
  and i.event_seq = t.event_seq
  and i.endpoint_id = t.endpoint_id
