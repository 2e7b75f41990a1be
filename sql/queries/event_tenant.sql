-- Whose an event is; no row if there is none.
--
-- $1 event_id: the event
select tenant
from relay.outbox
where id = $1::uuid
