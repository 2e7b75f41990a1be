-- Return events that may be handled now, the longest due first. Nothing is locked: `lock_event` decides.
--
-- $1 source: of all of them
-- $2 in_hand: the seqs of events that need not be found
-- $3 most: how many at most
select seq, ordering_key
from relay_inbox.event
where source = $1::text
and state = 'waiting'
and next_attempt_at <= now()
and seq <> all ($2::bigint[])
order by next_attempt_at, seq
limit $3::bigint
