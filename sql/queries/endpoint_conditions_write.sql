-- Write down which endpoints are left alone or only fail, for people and for the next start; no row: neither.
--
-- $1 endpoint_ids: endpoints for which that changed
-- $2 breakers: closed, open or half_open
-- $3 seconds: for how long nothing is sent, by an open breaker or since the endpoint asked for it; 0: it may be
-- $4 failing_for: seconds since the first of the failures that no success came after; null: it does not only fail
-- $5 failures: how many there were
-- $6 first_failures: of them, how many were the first attempt of their delivery
-- $7 unhealthy_for: seconds since it was told that it fails; null: it was not
-- $8 warned_for: seconds since it was told that it will be disabled; null: it was not
with given as (
  select endpoint_id, breaker, seconds, failing_for, failures, first_failures, unhealthy_for, warned_for
  from unnest(
    $1::uuid[], $2::text[], $3::double precision[], $4::double precision[], $5::integer[], $6::integer[],
    $7::double precision[], $8::double precision[])
    as g(endpoint_id, breaker, seconds, failing_for, failures, first_failures, unhealthy_for, warned_for)
),
over as (
  delete from relay.endpoint_condition k
  using given g
  where k.endpoint_id = g.endpoint_id
    and g.breaker = 'closed'
    and g.seconds = 0
    and g.failing_for is null
)
insert into relay.endpoint_condition (
  endpoint_id, breaker, paused_until, failing_since, failures, first_failures, unhealthy_at, warned_at)
select
  g.endpoint_id,
  g.breaker,
  case when g.seconds > 0 then now() + g.seconds * interval '1 second' end,
  now() - g.failing_for * interval '1 second',
  g.failures,
  g.first_failures,
  now() - g.unhealthy_for * interval '1 second',
  now() - g.warned_for * interval '1 second'
from given g
join relay.endpoint e on e.id = g.endpoint_id
where g.breaker <> 'closed'
   or g.seconds > 0
   or g.failing_for is not null
on conflict (endpoint_id) do update
set
  breaker = excluded.breaker,
  paused_until = excluded.paused_until,
  failing_since = excluded.failing_since,
  failures = excluded.failures,
  first_failures = excluded.first_failures,
  unhealthy_at = excluded.unhealthy_at,
  warned_at = excluded.warned_at
