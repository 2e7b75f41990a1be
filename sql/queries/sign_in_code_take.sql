-- Use up the code of a link, and return the valid token behind it; no row if it is worth nothing.
--
-- $1 code_hash: SHA-256 of it
with taken as (
  delete from relay.sign_in_code
  where code_hash = $1
  returning token_id, expires_at
)
select
  t.id,
  t.name,
  t.scopes,
  t.tenant,
  t.created_at,
  t.expires_at,
  t.revoked_at,
  t.last_used_at,
  true as is_valid
from taken
join relay.admin_token t on t.id = taken.token_id
where taken.expires_at > now()
  and t.revoked_at is null
  and coalesce(t.expires_at > now(), true)
