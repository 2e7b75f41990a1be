-- Where events are, by their ids; those that do not exist are left out.
--
-- $1 event_ids: the events
select id, seq
from relay.outbox
where id = any($1::uuid[])
