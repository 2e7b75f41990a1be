-- Make an admin token, with a row of the audit.
--
-- $1 id: the token's
-- $2 name: what it is for
-- $3 token_hash: SHA-256 of it
-- $4 scope: read, operate or admin
-- $5 tenant: the only one that it sees; null for all
-- $6 lifetime: after which it is worth nothing; null for never
-- $7 actor: who does it
with created as (
  insert into relay.admin_token (id, name, token_hash, scopes, tenant, expires_at)
  values ($1, $2, $3, array[$4::text], $5, now() + $6::interval)
  returning *
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select $7, 'token.create', id::text, json_build_object('name', name, 'scopes', scopes, 'tenant', tenant)
  from created
)
select
  id,
  name,
  scopes,
  tenant,
  created_at,
  expires_at,
  revoked_at,
  last_used_at,
  true as is_valid
from created
