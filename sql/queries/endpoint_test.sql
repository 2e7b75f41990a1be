-- Store a test event for one endpoint with its delivery, marked as a test, and a row of the audit; no row if the
-- endpoint does not exist or is removed.
--
-- The delivery is made here, since nothing of an event says that it is a test; fan-out leaves it alone then.
--
-- $1 endpoint_id: the endpoint
-- $2 event_id: of the new event
-- $3 event_type: a dotted name
-- $4 payload: JSON text, sent as it is
-- $5 actor: who does it
with present as materialized (
  select id, tenant
  from relay.endpoint
  where id = $1::uuid
    and removed_at is null
),
event as (
  insert into relay.outbox (id, event_type, payload, tenant, endpoint_id)
  select $2::uuid, $3::text, $4::text::json, tenant, id
  from present
  returning seq, id, endpoint_id
),
born as (
  insert into relay.delivery (event_seq, endpoint_id, size, next_attempt_at, trigger_type)
  select seq, endpoint_id, octet_length($4::text), now(), 'test'
  from event
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select $5, 'endpoint.test', endpoint_id::text, json_build_object('event_id', id)
  from event
)
select id
from event
