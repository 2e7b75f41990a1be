-- Return events that may be handled now, the longest due first. Nothing is locked: `lock_event` decides.
-- Of the events of one key only the first is returned.
--
-- $1 source: of all of them
-- $2 in_hand: the seqs of events that need not be found
-- $3 strict: an event that waits for its next attempt, or for a gap, holds up the later ones of its key
-- $4 most: how many at most
select e.seq, e.ordering_key
from relay_inbox.event e
where e.source = $1::text
and e.state = 'waiting'
and e.next_attempt_at <= clock_timestamp()
and e.seq <> all ($2::bigint[])
and (e.ordering_key is null or not exists (
  select from relay_inbox.event earlier
  where earlier.source = e.source
  and earlier.ordering_key = e.ordering_key
  and earlier.state = 'waiting'
  and (coalesce(earlier.version, 9223372036854775807), earlier.seq)
    < (coalesce(e.version, 9223372036854775807), e.seq)
  and ($3::boolean or earlier.next_attempt_at <= clock_timestamp())))
order by e.next_attempt_at, e.seq
limit $4::bigint
