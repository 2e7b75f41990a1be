-- How many endpoints get an event, as things are; no row if there is no such event.
--
-- $1 event_id: the event
select (
  select count(distinct s.endpoint_id)
  from relay.subscription s
  where s.tenant = o.tenant
    and case
      when o.endpoint_id is not null then s.endpoint_id = o.endpoint_id
      else
        s.pattern = '*'
        or s.pattern = o.event_type
        or (s.pattern like '%.*' and starts_with(o.event_type, left(s.pattern, -1)))
    end
) as endpoints
from relay.outbox o
where o.id = $1::uuid
