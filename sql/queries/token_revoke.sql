-- Make a token worth nothing, end its sessions and links, with a row of the audit; no row if there is none.
--
-- $1 id: the token
-- $2 actor: who does it
with revoked as (
  update relay.admin_token
  set revoked_at = now()
  where id = $1
    and revoked_at is null
  returning id
),
ended as (
  delete from relay.admin_session
  where token_id in (select id from revoked)
),
unlinked as (
  delete from relay.sign_in_code
  where token_id in (select id from revoked)
),
noted as (
  insert into relay.audit (actor, action, object)
  select $2, 'token.revoke', id::text
  from revoked
)
select exists (select from revoked) as is_changed
from relay.admin_token
where id = $1
