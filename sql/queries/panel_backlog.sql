-- What has not ended well, by state, for the panel: counted on so many blocks of the tables, and extrapolated where they
-- have more.
--
-- As the statement `backlog`, but it tells by itself which endpoints are stopped, can be asked for one tenant, and reads
-- the same blocks each time, so that numbers which are looked at every two seconds do not jump.
--
-- $1 blocks: how many blocks of each table to read at most
-- $2 tenant: only what is for this one's endpoints; null for all
with stopped as materialized (
  select e.id
  from relay.endpoint e
  where e.state <> 'active'
    or exists (select from relay.pause p where p.tenant is null or p.tenant = e.tenant)
),
seen as (
  select
    case
      when d.state = 'dead' then 'dead'
      when d.claimed_by is not null and d.next_attempt_at > now() then 'in_flight'
      when d.state = 'held' or s.id is not null then 'held'
      else d.state
    end as state,
    count(*) * greatest(1.0, pg_relation_size('relay.delivery') / current_setting('block_size')::float8 / $1::integer)
      as deliveries,
    min(d.event_seq) as oldest
  from relay.delivery as d
    tablesample system (
      least(100.0, 100.0 * $1::integer * current_setting('block_size')::float8
        / greatest(pg_relation_size('relay.delivery'), 1))) repeatable (1)
  left join stopped s on s.id = d.endpoint_id
  where not d.delivered_before
    and d.state <> 'cancelled'
    and ($2::text is null or exists (select from relay.endpoint e where e.id = d.endpoint_id and e.tenant = $2))
  group by 1
  union all
  select
    'pending',
    count(*) * greatest(1.0, pg_relation_size('relay.fresh') / current_setting('block_size')::float8 / $1::integer),
    min(f.seq)
  from relay.fresh as f
    tablesample system (
      least(100.0, 100.0 * $1::integer * current_setting('block_size')::float8
        / greatest(pg_relation_size('relay.fresh'), 1))) repeatable (1)
  where $2 is null
    or exists (select from relay.outbox o where o.seq = f.seq and o.tenant = $2)
),
summed as (
  select state, sum(deliveries) as deliveries, min(oldest) as oldest
  from seen
  group by state
)
select
  s.state,
  round(s.deliveries)::bigint as deliveries,
  extract(epoch from clock_timestamp() - o.created_at)::double precision as oldest_age,
  pg_relation_size('relay.delivery') / current_setting('block_size')::bigint > $1 as is_estimate
from summed s
left join lateral (
  select created_at
  from relay.outbox
  where seq = s.oldest
  limit 1
) as o on true
where s.deliveries > 0
