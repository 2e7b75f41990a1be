-- Which endpoints are left alone because they fail, and for how many seconds more; 0 if the next is a probe.
select
  endpoint_id,
  coalesce(greatest(extract(epoch from paused_until - now()), 0), 0)::double precision as seconds
from relay.endpoint_condition
where breaker <> 'closed'
