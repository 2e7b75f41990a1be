-- Where events are, by their ids; those that do not exist, or are another tenant's, are left out.
--
-- $1 event_ids: the events
-- $2 tenant: only of this one; null for all
select id, seq
from relay.outbox
where id = any($1::uuid[])
  and ($2::text is null or tenant = $2)
