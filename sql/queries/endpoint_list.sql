-- The endpoints that are not removed, oldest first.
--
-- $1 tenant: only this one's; null for all
-- $2 state: only in this state; null for all
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
  updated_at
from relay.endpoint
where removed_at is null
  and ($1::text is null or tenant = $1)
  and ($2::text is null or state = $2)
order by created_at, id
