-- Store events about Relay's own work, for the operator's endpoints.
--
-- $1 event_types: dotted names
-- $2 payloads: JSON text of each
-- $3 tenant: the operator's
insert into relay.outbox (event_type, payload, tenant)
select event_type, payload::json, $3::text
from unnest($1::text[], $2::text[]) as n(event_type, payload)
