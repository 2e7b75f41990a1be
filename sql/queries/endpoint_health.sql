-- How endpoints do, as the view relay.endpoint_health has it, for those that are named; removed ones are left out.
--
-- Counts rows alone and does not look at their events: an event that was withdrawn counts until its delivery ends.
--
-- $1 endpoint_ids: the endpoints
with lately as (
  select
    endpoint_id,
    count(*) as attempts,
    count(*) filter (where outcome = 'delivered') as delivered,
    percentile_disc(0.5) within group (order by duration_ms) as p50_ms,
    percentile_disc(0.99) within group (order by duration_ms) as p99_ms
  from relay.attempt
  where attempted_at > now() - interval '5 minutes'
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
  round(l.delivered::numeric / l.attempts, 4)::double precision as success_ratio,
  coalesce(l.attempts, 0) as attempts,
  l.p50_ms,
  l.p99_ms,
  coalesce(n.in_flight, 0) + case when s.is_stopped then 0 else coalesce(n.pending, 0) end as pending,
  case when s.is_stopped then 0 else coalesce(n.retrying, 0) end as retrying,
  coalesce(n.held, 0) + case when s.is_stopped then coalesce(n.pending + n.retrying, 0) else 0 end as held,
  coalesce(n.dead, 0) as dead,
  (select created_at from relay.outbox where seq = n.oldest_seq) as oldest_waiting,
  coalesce(k.breaker, 'closed') as breaker,
  k.paused_until,
  k.failing_since
from stopped s
join relay.endpoint e on e.id = s.id
left join relay.endpoint_condition k on k.endpoint_id = e.id
left join lately l on l.endpoint_id = e.id
left join counted n on n.endpoint_id = e.id
