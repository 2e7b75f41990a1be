-- Have dead events handled once more, with all their attempts, and return their numbers and keys.
-- Those that have a key are held until `release_keys`, after the commit, so that they come in their order.
--
-- $1 source: of the events
-- $2 event_ids: these; null: whichever are dead
-- $3 after: only those with a higher seq, so that none is found twice
-- $4 most: how many at most
with chosen as (
  select seq
  from relay_inbox.event
  where source = $1::text
  and state = 'dead'
  and ($2::text[] is null or event_id = any ($2::text[]))
  and seq > $3::bigint
  order by seq
  limit $4::bigint
  for update skip locked
)
update relay_inbox.event e
set
  state = 'waiting',
  failures = 0,
  next_attempt_at = case when e.ordering_key is null then clock_timestamp() else 'infinity' end,
  ended_at = null
from chosen
where e.seq = chosen.seq
returning e.seq, e.ordering_key
