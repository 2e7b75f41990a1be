-- Withdraw what of an event has not been claimed, with a row of the audit; no row if there is no such event.
--
-- $1 id: the event
-- $2 actor: who does it
with withdrawn as materialized (
  select o.id, exists (select from relay.cancellation c where c.event_id = o.id) as was_cancelled, relay.cancel(o.id)
  from relay.outbox o
  where o.id = $1::uuid
),
noted as (
  insert into relay.audit (actor, action, object)
  select $2, 'event.cancel', id::text
  from withdrawn
  where not was_cancelled
)
select id, was_cancelled
from withdrawn
