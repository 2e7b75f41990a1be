-- Delete signed contents whose time is over, and return how many there were.
--
-- $1 source: of the contents
-- $2 kept: for how long after they were seen
-- $3 most: how many at most
with old as (
  select hash
  from relay_inbox.content
  where source = $1::text
  and seen_at < now() - $2::interval
  order by seen_at
  limit $3::bigint
  for update skip locked
), deleted as (
  delete from relay_inbox.content c using old where c.source = $1::text and c.hash = old.hash returning c.hash
)
select count(*) from deleted
