-- Delete attempts that were kept for events that are gone since. Returns how many; 0: that was all.
--
-- $1 number: at most so many
-- $2 before: only of attempts before this
with over as materialized (
  select a.ctid as place
  from relay.attempt_default a
  where a.attempted_at < $2::timestamptz
    and not exists (select from relay.outbox o where o.seq = a.event_seq)
  limit $1::bigint
),
deleted as (
  delete from relay.attempt_default
  where ctid = any(array(select place from over))
  returning 1
)
select count(*) as deleted
from deleted
