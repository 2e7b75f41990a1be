-- Disable an endpoint that asked for no more; its deliveries are held. Returns a row if it was active until now.
--
-- $1 endpoint_id: the endpoint
-- $2 reason: as the delivery that ended by it has it
with disabled as (
  update relay.endpoint
  set
    state = 'disabled',
    disabled_reason = $2
  where id = $1::uuid
    and state = 'active'
  returning id
),
noted as (
  insert into relay.audit (actor, action, object)
  select 'relay', 'endpoint.disable', id::text
  from disabled
)
select id
from disabled
