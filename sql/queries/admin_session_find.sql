-- The valid token behind a session of the panel; that it was used is noted once a minute at most.
--
-- $1 session_hash: SHA-256 of its cookie
with found as (
  select *
  from relay.admin_session
  where session_hash = $1
    and expires_at > now()
),
used as (
  update relay.admin_session
  set last_used_at = now()
  where session_hash in (
      select session_hash
      from found
      where last_used_at < now() - interval '1 minute'
    )
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
from found
join relay.admin_token t on t.id = found.token_id
where t.revoked_at is null
  and coalesce(t.expires_at > now(), true)
