-- The endpoints that had most attempts lately, and what came of these.
--
-- $1 seconds: how long lately is
-- $2 limit: how many endpoints at most
select
  a.endpoint_id,
  max(e.url) as url,
  max(e.description) as description,
  max(e.state) as state,
  max(coalesce(c.breaker, 'closed')) as breaker,
  count(*) as attempts,
  count(*) filter (where a.outcome = 'delivered') as delivered,
  percentile_disc(0.5) within group (order by a.duration_ms) as p50_ms,
  percentile_disc(0.99) within group (order by a.duration_ms) as p99_ms,
  max(coalesce(a.status_code::text, a.error_code)) filter (where a.outcome <> 'delivered') as failed_with
from relay.attempt a
left join relay.endpoint e on e.id = a.endpoint_id
left join relay.endpoint_condition c on c.endpoint_id = a.endpoint_id
where a.attempted_at > now() - $1::double precision * interval '1 second'
group by a.endpoint_id
order by count(*) filter (where a.outcome <> 'delivered') desc, count(*) desc
limit $2
