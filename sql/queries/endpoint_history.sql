-- How the attempts at an endpoint went over a while, by stretches of time: counted on so many blocks of each of the
-- log's tables, and extrapolated where a table has more.
--
-- The log has no index by endpoint, which would cost every attempt; so it costs the same however large it is. It reads
-- the same blocks each time, so that a chart that is loaded again does not jump.
--
-- $1 endpoint_id: the endpoint
-- $2 blocks: how many blocks of each table to read at most, about
-- $3 stretch: how long one is
-- $4 number: how many there are, up to now
with days as (
  select
    greatest(1.0, max(pg_relation_size(i.inhrelid))
      / current_setting('block_size')::float8 / $2::integer) as factor
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'relay.attempt'::regclass
    and (
      c.relname = 'attempt_default'
      or c.relname >= 'attempt_' || to_char((now() - $3::interval * $4::integer) at time zone 'UTC', 'YYYYMMDD'))
),
seen as (
  select
    date_bin($3, a.attempted_at, timestamptz '2000-01-01 00:00 UTC') as begins,
    count(*) filter (where a.outcome = 'delivered') as delivered,
    count(*) filter (where a.outcome <> 'delivered') as failed
  from relay.attempt as a
    tablesample system ((select 100.0 / factor from days)) repeatable (1)
  where a.endpoint_id = $1::uuid
    and a.attempted_at >= date_bin($3, now(), timestamptz '2000-01-01 00:00 UTC') - $3 * ($4 - 1)
    and a.attempted_at < now() + interval '1 hour'
  group by 1
)
select
  b.begins,
  round(coalesce(s.delivered, 0) * days.factor)::bigint as delivered,
  round(coalesce(s.failed, 0) * days.factor)::bigint as failed,
  days.factor > 1 as is_estimate
from days
cross join generate_series(
  date_bin($3, now(), timestamptz '2000-01-01 00:00 UTC') - $3 * ($4 - 1),
  date_bin($3, now(), timestamptz '2000-01-01 00:00 UTC'),
  $3) as b(begins)
left join seen s on s.begins = b.begins
order by b.begins
