-- Clear alerts that last; those that somebody else cleared before are not among the rows.
--
-- $1 ids: which
update relay.alert
set cleared_at = now()
where id = any($1::bigint[])
  and cleared_at is null
returning
  id,
  cleared_at
