-- Delete the marks of keys that nothing was handled of for long, and return how many there were.
--
-- $1 source: of the keys
-- $2 kept: for how long after their last event
-- $3 most: how many at most
with old as (
  select ordering_key
  from relay_inbox.mark
  where source = $1::text
  and changed_at < clock_timestamp() - $2::interval
  limit $3::bigint
  for update skip locked
), deleted as (
  delete from relay_inbox.mark m using old
  where m.source = $1::text and m.ordering_key = old.ordering_key
  returning m.ordering_key
)
select count(*) from deleted
