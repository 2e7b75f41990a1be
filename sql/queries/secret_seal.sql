-- Store secrets as they are sealed anew, unless somebody changed them meanwhile. Returns how many.
--
-- $1 ids: of the secrets
-- $2 before: as they were read
-- $3 sealed: as they are to be
-- $4 key_ids: the master keys that sealed them
with given as (
  select id, before, sealed, key_id
  from unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[]) as g(id, before, sealed, key_id)
),
changed as (
  update relay.endpoint_secret s
  set
    sealed = g.sealed,
    key_id = g.key_id
  from given g
  where s.id = g.id
    and s.sealed = g.before
  returning 1
)
select count(*) as changed
from changed
