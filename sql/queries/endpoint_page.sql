-- The endpoints that are not removed, oldest first, from one on.
--
-- $1 tenant: only this one's; null for all
-- $2 state: only in this state; null for all
-- $3 text: only with this in the URL or the description; null for all
-- $4 after_created_at: after the endpoint that was added then; null from the oldest
-- $5 after_id: and has this id
-- $6 number: at most so many
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
  and ($3::text is null or strpos(lower(url || ' ' || description), lower($3)) > 0)
  and ($4::timestamptz is null or (created_at, id) > ($4, $5::uuid))
order by created_at, id
limit $6::bigint
