-- Every attempt of one delivery, oldest first.
--
-- $1 event_id: the delivery's event
-- $2 endpoint_id: and its endpoint
select
  event_id, event_type, endpoint_id, url, attempt, trigger_type, stale, status_code, error_code, error,
  request_headers::text as request_headers, request_body, response_headers::text as response_headers,
  response_body, duration_ms, attempted_at, next_attempt_at, outcome
from relay.delivery_log
where event_id = $1::uuid
  and endpoint_id = $2::uuid
order by attempted_at
