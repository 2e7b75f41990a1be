-- What became of one event: its deliveries, or of one delivery alone.
--
-- $1 event_id: the event
-- $2 endpoint_id: only the delivery for this endpoint; null for all
select
  event_id, endpoint_id, event_type, tenant, state, reason, attempts, last_status_code, last_error,
  next_attempt_at, created_at, ended_at
from relay.delivery_status
where event_id = $1::uuid
  and ($2::uuid is null or endpoint_id = $2)
order by endpoint_id, ended_at
