-- The tokens that are worth something: neither revoked nor expired. Those that are over are more, and left out.
select id
from relay.admin_token
where revoked_at is null
  and coalesce(expires_at > now(), true)
