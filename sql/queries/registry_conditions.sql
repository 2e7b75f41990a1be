-- Which endpoints are left alone, and for how many seconds more; 0 of one that fails: the next is a probe.
select
  endpoint_id,
  breaker <> 'closed' as fails,
  coalesce(greatest(extract(epoch from paused_until - now()), 0), 0)::double precision as seconds
from relay.endpoint_condition
