-- Where an event is, by its id; no row if there is none, or it is another tenant's.
--
-- $1 event_id: the event
-- $2 tenant: only of this one; null for all
select seq
from relay.outbox
where id = $1::uuid
  and ($2::text is null or tenant = $2)
