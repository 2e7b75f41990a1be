-- Go on sending, for one tenant or for everything, with a row of the audit; no row if nothing was paused by that name.
--
-- $1 tenant: null for everything
-- $2 actor: who does it
with resumed as (
  delete from relay.pause
  where tenant is not distinct from $1::text
  returning tenant
),
noted as (
  insert into relay.audit (actor, action, object)
  select $2, 'sending.resume', coalesce('tenant ' || quote_literal(tenant), 'everything')
  from resumed
)
select tenant
from resumed
