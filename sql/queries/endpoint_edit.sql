-- Change fields of an endpoint that is not removed, with a row of the audit, and return it; no row if there is none.
--
-- $1 id: the endpoint
-- $2 changed: names of the fields to change; the values of others are not looked at
-- $3 url: canonical
-- $4 description: for people
-- $5 event_types: patterns
-- $6 headers: JSON text
-- $7 signature: both, x-webhook or standard
-- $8 timeout: null for the configured one
-- $9 max_in_flight: null for the configured one
-- $10 retry_schedule: delays; null for the configured ones
-- $11 store_response_body: whether the log keeps responses
-- $12 metadata: JSON text
-- $13 actor: who does it
-- $14 filter: JSON text; null for every event
-- $15 rate_limit: requests a second; null for no limit
-- $16 ordered: whether it gets the events of one ordering key one at a time
with edited as (
  update relay.endpoint
  set
    url = case when 'url' = any($2::text[]) then $3 else url end,
    description = case when 'description' = any($2) then $4 else description end,
    event_types = case when 'event_types' = any($2) then $5::text[] else event_types end,
    headers = case when 'headers' = any($2) then $6::json else headers end,
    signature = case when 'signature' = any($2) then $7 else signature end,
    timeout = case when 'timeout' = any($2) then $8::interval else timeout end,
    max_in_flight = case when 'max_in_flight' = any($2) then $9::integer else max_in_flight end,
    retry_schedule = case when 'retry_schedule' = any($2) then $10::interval[] else retry_schedule end,
    store_response_body =
      case when 'store_response_body' = any($2) then $11::boolean else store_response_body end,
    metadata = case when 'metadata' = any($2) then $12::json else metadata end,
    filter = case when 'filter' = any($2) then $14::json else filter end,
    rate_limit = case when 'rate_limit' = any($2) then $15::double precision else rate_limit end,
    ordered = case when 'ordered' = any($2) then $16::boolean else ordered end
  where id = $1::uuid
    and removed_at is null
  returning *
),
-- What it was left alone for is over: a relay that is not at work now would else go on with it.
closed as (
  delete from relay.endpoint_condition k
  using edited e
  where k.endpoint_id = e.id
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select $13, 'endpoint.edit', id::text, json_build_object('changed', $2)
  from edited
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
from edited
