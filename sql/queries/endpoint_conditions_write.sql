-- Write down which breakers are open, for people and for the next start; a closed one is the absence of a row.
--
-- $1 endpoint_ids: endpoints whose breaker changed
-- $2 breakers: closed, open or half_open
-- $3 seconds: for how long those that are open stay so
with given as (
  select endpoint_id, breaker, seconds
  from unnest($1::uuid[], $2::text[], $3::double precision[]) as g(endpoint_id, breaker, seconds)
),
closed as (
  delete from relay.endpoint_condition k
  using given g
  where k.endpoint_id = g.endpoint_id
    and g.breaker = 'closed'
)
insert into relay.endpoint_condition (endpoint_id, breaker, paused_until)
select
  g.endpoint_id,
  g.breaker,
  case when g.breaker = 'open' then now() + g.seconds * interval '1 second' end
from given g
join relay.endpoint e on e.id = g.endpoint_id
where g.breaker <> 'closed'
on conflict (endpoint_id) do update
set
  breaker = excluded.breaker,
  paused_until = excluded.paused_until
