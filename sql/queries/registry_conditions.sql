-- Which endpoints are left alone, for how many seconds more (0 of one that fails: the next is a probe), and which do
-- nothing but fail, for how many seconds so far.
select
  k.endpoint_id,
  k.breaker <> 'closed' as is_broken,
  k.paused_until is not null and k.breaker = 'closed' as is_throttled,
  coalesce(greatest(extract(epoch from k.paused_until - now()), 0), 0)::double precision as seconds,
  extract(epoch from now() - k.failing_since)::double precision as failing_for,
  k.failures,
  k.first_failures,
  extract(epoch from now() - k.unhealthy_at)::double precision as unhealthy_for,
  extract(epoch from now() - k.warned_at)::double precision as warned_for
from relay.endpoint_condition k
join relay.endpoint e on e.id = k.endpoint_id
where e.removed_at is null
