-- Add an endpoint with its first secret, as one change with its row of the audit, and return it.
--
-- Relies on the checks of relay.endpoint for what it refuses. The audit gets the URL without its query.
--
-- $1 id: of the new endpoint
-- $2 url: canonical
-- $3 description: for people
-- $4 tenant: whose events it gets
-- $5 event_types: patterns
-- $6 headers: JSON text
-- $7 signature: both, x-webhook or standard
-- $8 timeout: null for the configured one
-- $9 max_in_flight: null for the configured one
-- $10 retry_schedule: delays; null for the configured ones
-- $11 store_response_body: whether the log keeps responses
-- $12 metadata: JSON text
-- $13 sealed: the secret
-- $14 key_id: the master key that sealed it; null if none
-- $15 actor: who does it
-- $16 filter: JSON text; null for every event
-- $17 rate_limit: requests a second; null for no limit
-- $18 ordered: whether it gets the events of one ordering key one at a time
with added as (
  insert into relay.endpoint (
    id, url, description, tenant, event_types, headers, signature, timeout, max_in_flight, retry_schedule,
    store_response_body, metadata, filter, rate_limit, ordered)
  values (
    $1::uuid, $2, $3, $4, $5::text[], $6::json, $7, $8::interval, $9::integer, $10::interval[], $11::boolean,
    $12::json, $16::json, $17::double precision, $18::boolean)
  returning *
),
kept as (
  insert into relay.endpoint_secret (endpoint_id, sealed, key_id)
  select id, $13::bytea, $14
  from added
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select $15, 'endpoint.add', id::text, json_build_object('url', split_part(url, '?', 1), 'tenant', tenant)
  from added
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
  state,
  disabled_reason,
  created_at,
  updated_at
from added
