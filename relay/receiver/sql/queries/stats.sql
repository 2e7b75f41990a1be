-- Count what waits and what is dead, and say how long the oldest has waited.
--
-- $1 source: of the events
select waiting.waiting, waiting.retrying, dead.dead, clock_timestamp() - waiting.oldest as oldest_age
from (
  select count(*) as waiting, count(*) filter (where failures > 0) as retrying, min(received_at) as oldest
  from relay_inbox.event
  where source = $1::text
  and state = 'waiting') waiting
cross join (
  select count(*) as dead
  from relay_inbox.event
  where source = $1::text
  and state = 'dead') dead
