-- Lock one event that is due until the end of the transaction, and return it with its key's mark.
-- No row: another worker has it, or it is over. Its key's turn was taken in a statement before, so the mark is the last.
--
-- $1 seq: of the event
select
  e.seq, e.source, e.event_id, e.event_type, e.ordering_key, e.version, e.headers, e.body, e.signed_at,
  e.received_at, e.failures, m.version as mark, clock_timestamp() - e.received_at as waited
from relay_inbox.event e
left join relay_inbox.mark m on m.source = e.source and m.ordering_key = e.ordering_key
where e.seq = $1::bigint
and e.state = 'waiting'
and e.next_attempt_at <= clock_timestamp()
for update of e skip locked
