-- Return dead events, the oldest first.
--
-- $1 source: of the events
-- $2 after: only those with a higher seq
-- $3 most: how many at most
select seq, event_id, event_type, body, failures, error, received_at, ended_at
from relay_inbox.event
where source = $1::text
and state = 'dead'
and seq > $2::bigint
order by seq
limit $3::bigint
