-- Remove an endpoint, with its secrets, and note it in the audit; the row stays for the log.
--
-- No row if it does not exist or is removed already. Its waiting deliveries are ended by endpoint_end_deliveries.
--
-- $1 id: the endpoint
-- $2 actor: who does it
with removed as (
  update relay.endpoint
  set removed_at = now()
  where id = $1::uuid
    and removed_at is null
  returning *
),
forgotten as (
  delete from relay.endpoint_secret s
  using removed r
  where s.endpoint_id = r.id
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select $2, 'endpoint.remove', id::text, json_build_object('url', split_part(url, '?', 1))
  from removed
)
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
  'removed' as state,
  disabled_reason,
  created_at,
  updated_at
from removed
