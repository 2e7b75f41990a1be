-- What has not ended well, by state: counted on so many blocks of the tables, and extrapolated where they have more.
--
-- It costs the same however large the tables are; while they are no larger, which is nearly always, it is exact. Which
-- blocks are read is drawn by lot. An event that is not fanned out yet counts as one pending delivery, as in the view
-- relay.backlog. The age is that of the oldest event seen; null if it is deleted.
--
-- $1 blocks: how many blocks of each table to read at most
-- $2 held: the endpoints that take no deliveries now
with held as materialized (
  select distinct id
  from unnest($2::uuid[]) as h(id)
),
seen as (
  select
    case
      when d.state = 'dead' then 'dead'
      when d.claimed_by is not null and d.next_attempt_at > now() then 'in_flight'
      when d.state = 'held' or held.id is not null then 'held'
      else d.state
    end as state,
    count(*) * greatest(1.0, pg_relation_size('relay.delivery') / current_setting('block_size')::float8 / $1::integer)
      as deliveries,
    min(d.event_seq) as oldest
  from relay.delivery as d
    tablesample system (
      least(100.0, 100.0 * $1::integer * current_setting('block_size')::float8
        / greatest(pg_relation_size('relay.delivery'), 1)))
  left join held on held.id = d.endpoint_id
  where not d.delivered_before
    and d.state <> 'cancelled'
  group by 1
  union all
  select
    'pending',
    count(*) * greatest(1.0, pg_relation_size('relay.fresh') / current_setting('block_size')::float8 / $1::integer),
    min(f.seq)
  from relay.fresh as f
    tablesample system (
      least(100.0, 100.0 * $1::integer * current_setting('block_size')::float8
        / greatest(pg_relation_size('relay.fresh'), 1)))
),
summed as (
  select state, sum(deliveries) as deliveries, min(oldest) as oldest
  from seen
  group by state
)
select
  s.state,
  round(s.deliveries)::bigint as deliveries,
  extract(epoch from clock_timestamp() - o.created_at)::double precision as oldest_age
from summed s
left join lateral (
  select created_at
  from relay.outbox
  where seq = s.oldest
  limit 1
) as o on true
