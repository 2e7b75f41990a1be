-- Delete events that have been over for long enough, and return how many there were.
--
-- $1 source: of the events
-- $2 ended: how long ago those that are done or stale must have ended
-- $3 dead: how long ago those that are dead must have ended
-- $4 most: how many at most
with old as (
  select seq
  from relay_inbox.event
  where source = $1::text
  and ended_at < now() - least($2::interval, $3::interval)  -- for the index
  and ended_at < now() - case when state = 'dead' then $3::interval else $2::interval end
  order by ended_at
  limit $4::bigint
  for update skip locked
), deleted as (
  delete from relay_inbox.event e using old where e.seq = old.seq returning e.seq
)
select count(*) from deleted
