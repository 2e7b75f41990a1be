-- Clear alerts that last. Returns all of them that are cleared now, and of each whether it was by this.
--
-- $1 ids: which
with cleared as (
  update relay.alert
  set cleared_at = now()
  where id = any($1::bigint[])
    and cleared_at is null
  returning
    id,
    cleared_at
)
select
  id,
  cleared_at,
  true as by_this
from cleared
union all
select
  id,
  cleared_at,
  false as by_this
from relay.alert
where id = any($1::bigint[])
  and cleared_at is not null
