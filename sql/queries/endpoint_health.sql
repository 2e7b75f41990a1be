-- How endpoints do, as the view relay.endpoint_health has it, for those that are named; removed ones are left out.
--
-- It costs the same however much there is: deliveries are counted on so many blocks of their table and extrapolated
-- where it has more, and of the attempts only so many of the newest are looked at, as far back as the pace of the last
-- ten seconds tells. It reads the same blocks each time, so that a page that is loaded again does not jump.
--
-- Counts rows alone and does not look at their events: an event that was withdrawn counts until its delivery ends.
--
-- $1 endpoint_ids: the endpoints
-- $2 blocks: how many blocks of the table of deliveries to read at most
-- $3 attempts: how many attempts to look at, about
with size as materialized (
  select
    greatest(1.0, pg_relation_size('relay.delivery') / current_setting('block_size')::float8 / $2::integer) as factor
),
reach as materialized (
  select
    interval '5 minutes' * least(1.0, $3::float8 / greatest(30 * count(*), 1)) as back,
    greatest(1.0, 30 * count(*) / $3) as factor
  from (
    select from relay.attempt
    where attempted_at > now() - interval '10 seconds'
    limit $3::bigint
  ) as just_now
),
lately as (
  select
    endpoint_id,
    count(*) as looked_at,
    count(*) filter (where outcome = 'delivered') as delivered,
    percentile_disc(0.5) within group (order by duration_ms) as p50_ms,
    percentile_disc(0.99) within group (order by duration_ms) as p99_ms
  from relay.attempt
  where attempted_at > now() - (select back from reach)
    and endpoint_id = any($1::uuid[])
  group by endpoint_id
),
counted as (
  select
    endpoint_id,
    count(*) filter (where is_in_flight) as in_flight,
    count(*) filter (where not is_in_flight and state = 'pending') as pending,
    count(*) filter (where not is_in_flight and state = 'retrying') as retrying,
    count(*) filter (where not is_in_flight and state = 'held') as held,
    count(*) filter (where not is_in_flight and state = 'dead') as dead,
    min(event_seq) filter (where state not in ('dead', 'cancelled')) as oldest_seq
  from (
    select
      endpoint_id, event_seq, state,
      state not in ('dead', 'cancelled') and claimed_by is not null and next_attempt_at > now() as is_in_flight
    from relay.delivery
      tablesample system ((select 100.0 / factor from size)) repeatable (1)
    where endpoint_id = any($1)
      and not delivered_before
  ) as d
  group by endpoint_id
),
stopped as (
  select
    e.id,
    e.state <> 'active'
      or exists (select from relay.pause p where p.tenant is null or p.tenant = e.tenant)
      or not exists (
        select from relay.endpoint_secret s
        where s.endpoint_id = e.id and (s.expires_at is null or s.expires_at > now())) as is_stopped
  from relay.endpoint e
  where e.id = any($1)
    and e.removed_at is null
)
select
  e.id as endpoint_id,
  e.url,
  e.state,
  round(l.delivered::numeric / l.looked_at, 4)::double precision as success_ratio,
  round(coalesce(l.looked_at, 0) * reach.factor)::bigint as attempts,
  l.p50_ms,
  l.p99_ms,
  round(size.factor * (
    coalesce(n.in_flight, 0) + case when s.is_stopped then 0 else coalesce(n.pending, 0) end))::bigint as pending,
  round(size.factor * case when s.is_stopped then 0 else coalesce(n.retrying, 0) end)::bigint as retrying,
  round(size.factor * (
    coalesce(n.held, 0) + case when s.is_stopped then coalesce(n.pending + n.retrying, 0) else 0 end))::bigint as held,
  round(size.factor * coalesce(n.dead, 0))::bigint as dead,
  (select created_at from relay.outbox where seq = n.oldest_seq) as oldest_waiting,
  coalesce(k.breaker, 'closed') as breaker,
  k.paused_until,
  k.failing_since,
  size.factor > 1 or reach.factor > 1 as is_estimate
from stopped s
cross join size
cross join reach
join relay.endpoint e on e.id = s.id
left join relay.endpoint_condition k on k.endpoint_id = e.id
left join lately l on l.endpoint_id = e.id
left join counted n on n.endpoint_id = e.id
