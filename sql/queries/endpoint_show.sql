-- One endpoint, with when it was removed if it was.
--
-- $1 id: the endpoint
select
  id,
  url,
  description,
  tenant,
  event_types,
  filter::text as filter,
  headers::text as headers,
  signature,
  timeout,
  ordered,
  rate_limit,
  max_in_flight,
  retry_schedule,
  store_response_body,
  metadata::text as metadata,
  state,
  disabled_reason,
  created_at,
  updated_at,
  removed_at
from relay.endpoint
where id = $1::uuid
