-- Write down which endpoints are left alone, for people and for the next start; no row: it gets what there is.
--
-- $1 endpoint_ids: endpoints for which that changed
-- $2 breakers: closed, open or half_open
-- $3 seconds: for how long nothing is sent, by an open breaker or since the endpoint asked for it; 0: it may be
with given as (
  select endpoint_id, breaker, seconds
  from unnest($1::uuid[], $2::text[], $3::double precision[]) as g(endpoint_id, breaker, seconds)
),
over as (
  delete from relay.endpoint_condition k
  using given g
  where k.endpoint_id = g.endpoint_id
    and g.breaker = 'closed'
    and g.seconds = 0
)
insert into relay.endpoint_condition (endpoint_id, breaker, paused_until)
select
  g.endpoint_id,
  g.breaker,
  case when g.seconds > 0 then now() + g.seconds * interval '1 second' end
from given g
join relay.endpoint e on e.id = g.endpoint_id
where g.breaker <> 'closed'
   or g.seconds > 0
on conflict (endpoint_id) do update
set
  breaker = excluded.breaker,
  paused_until = excluded.paused_until
