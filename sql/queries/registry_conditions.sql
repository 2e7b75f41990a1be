-- Which endpoints are left alone, and for how many seconds more; 0 of one that fails: the next is a probe.
select
  k.endpoint_id,
  k.breaker <> 'closed' as fails,
  coalesce(greatest(extract(epoch from k.paused_until - now()), 0), 0)::double precision as seconds
from relay.endpoint_condition k
join relay.endpoint e on e.id = k.endpoint_id
where e.removed_at is null
