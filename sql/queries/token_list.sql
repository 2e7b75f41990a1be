-- The admin tokens, the newest first; those that were revoked over 30 days ago are history.
select
  id,
  name,
  scopes,
  tenant,
  created_at,
  expires_at,
  revoked_at,
  last_used_at,
  revoked_at is null and coalesce(expires_at > now(), true) as is_valid
from relay.admin_token
where coalesce(revoked_at > now() - interval '30 days', true)
order by created_at desc, id
