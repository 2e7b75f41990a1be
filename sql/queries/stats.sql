-- What came of the last while, and how much room everything takes.
--
-- $1 seconds: the while
with lately as (
  select
    count(*) as attempts,
    count(*) filter (where outcome = 'delivered') as delivered,
    percentile_disc(0.5) within group (order by duration_ms) as p50_ms,
    percentile_disc(0.99) within group (order by duration_ms) as p99_ms
  from relay.attempt
  where attempted_at > now() - $1::double precision * interval '1 second'
),
sizes as (
  select
    case
      when c.relname ~ '^attempt' then 'attempt'
      else c.relname
    end as name,
    sum(pg_total_relation_size(c.oid))::bigint as bytes,
    sum(greatest(c.reltuples, 0))::bigint as rows
  from pg_class c
  where c.relnamespace = 'relay'::regnamespace
    and c.relkind = 'r'
  group by 1
)
select
  l.*,
  relay.log_begins() as log_begins,
  (select json_agg(json_build_object('table', name, 'bytes', bytes, 'rows', rows) order by bytes desc)
   from sizes
   where name in ('outbox', 'attempt', 'delivery', 'fresh', 'operation_delivery', 'unrouted', 'cancellation'))::text as sizes,
  (select count(*) from relay.endpoint where removed_at is null and state = 'active') as active,
  (select count(*) from relay.endpoint where removed_at is null and state <> 'active') as stopped,
  (select extract(epoch from now() - max(last_seen_at))::double precision
   from relay.relay_instance where state = 'active') as active_seen_ago
from lately l
