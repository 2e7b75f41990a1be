-- The deliveries that fail, by endpoint and error, those that were given up first: counted on so many blocks of the
-- table, and extrapolated where it has more.
--
-- What failed and waits for an endpoint that is stopped counts as held. What an operator gave up, and what an endpoint
-- took with it when it was removed, is not told of: nobody waits for it.
-- It reads the same blocks each time, so that numbers which are looked at every two seconds do not jump.
--
-- $1 blocks: how many blocks of the table to read at most
-- $2 tenant: only what is for this one's endpoints; null for all
-- $3 number: at most so many groups
with seen as (
  select
    d.endpoint_id,
    d.state,
    d.reason,
    d.last_status_code as status_code,
    d.last_error_code as error_code,
    round(count(*)
      * greatest(1.0, pg_relation_size('relay.delivery') / current_setting('block_size')::float8 / $1::integer))::bigint
      as deliveries,
    max(d.ended_at) as last_ended_at,
    min(d.next_attempt_at) as next_attempt_at,
    max(d.last_error) as error
  from relay.delivery as d
    tablesample system (
      least(100.0, 100.0 * $1::integer * current_setting('block_size')::float8
        / greatest(pg_relation_size('relay.delivery'), 1))) repeatable (1)
  where not d.delivered_before
    and d.state in ('dead', 'retrying')
    and (d.reason is null or d.reason not in ('discarded', 'endpoint_removed'))
  group by 1, 2, 3, 4, 5
)
select
  s.endpoint_id,
  case when s.state = 'retrying' and h.is_stopped then 'held' else s.state end as state,
  s.reason,
  s.status_code,
  s.error_code,
  s.deliveries,
  s.last_ended_at,
  s.next_attempt_at,
  s.error,
  e.url,
  e.description,
  e.state as endpoint_state,
  coalesce(k.breaker, 'closed') as breaker
from seen s
join relay.endpoint e on e.id = s.endpoint_id
left join relay.endpoint_condition k on k.endpoint_id = e.id
cross join lateral (
  select e.state <> 'active'
    or exists (select from relay.pause p where p.tenant is null or p.tenant = e.tenant) as is_stopped
) as h
where ($2::text is null or e.tenant = $2)
  and e.removed_at is null
order by s.state = 'dead' desc, s.deliveries desc, e.url, s.reason, s.status_code, s.error_code
limit $3::bigint
