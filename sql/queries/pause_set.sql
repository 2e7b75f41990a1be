-- Stop sending, for one tenant or for everything, with a row of the audit; no row if that is so already.
--
-- $1 tenant: null for everything
-- $2 actor: who does it
with paused as (
  insert into relay.pause (tenant, paused_by)
  values ($1::text, $2)
  on conflict do nothing
  returning tenant
),
noted as (
  insert into relay.audit (actor, action, object)
  select $2, 'sending.pause', coalesce('tenant ' || quote_literal(tenant), 'everything')
  from paused
)
select tenant
from paused
