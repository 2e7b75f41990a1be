-- Count what waits and what is dead, and say how long the oldest has waited.
--
-- $1 source: of the events
select
  count(*) filter (where state = 'waiting') as waiting,
  count(*) filter (where state = 'waiting' and failures > 0) as retrying,
  count(*) filter (where state = 'dead') as dead,
  clock_timestamp() - min(received_at) filter (where state = 'waiting') as oldest_age
from relay_inbox.event
where source = $1::text
and state in ('waiting', 'dead')
