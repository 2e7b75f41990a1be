-- Have dead events handled once more, with all their attempts, and return how many there were.
--
-- $1 source: of the events
-- $2 event_ids: these; null: whichever are dead
-- $3 most: how many at most
with chosen as (
  select seq
  from relay_inbox.event
  where source = $1::text
  and state = 'dead'
  and ($2::text[] is null or event_id = any ($2::text[]))
  order by seq
  limit $3::bigint
  for update skip locked
), retried as (
  update relay_inbox.event e
  set state = 'waiting', failures = 0, next_attempt_at = clock_timestamp(), ended_at = null
  from chosen
  where e.seq = chosen.seq
  returning e.seq
)
select count(*) from retried
