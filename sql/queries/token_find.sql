-- The valid token with this hash; that it was used is noted once a minute at most.
--
-- $1 token_hash: SHA-256 of it
with found as (
  select *
  from relay.admin_token
  where token_hash = $1
    and revoked_at is null
    and coalesce(expires_at > now(), true)
),
used as (
  update relay.admin_token
  set last_used_at = now()
  where id in (
      select id
      from found
      where coalesce(last_used_at < now() - interval '1 minute', true)
    )
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
from found
