-- How long an endpoint has done nothing but fail, so that one that fails for days is disabled, with warnings before,
-- whatever restarts there were meanwhile.
-- breaking: no

alter table relay.endpoint_condition
  add column failing_since timestamptz,
  add column failures integer not null default 0,
  add column first_failures integer not null default 0,
  add column unhealthy_at timestamptz,
  add column warned_at timestamptz;

comment on column relay.endpoint_condition.failing_since is 'Its first failed attempt since the last success.';
comment on column relay.endpoint_condition.failures is 'Attempts that failed since then.';
comment on column relay.endpoint_condition.first_failures is 'Of them, those that were the first of their delivery.';
comment on column relay.endpoint_condition.unhealthy_at is 'When it was told that the endpoint fails.';
comment on column relay.endpoint_condition.warned_at is 'When it was told that the endpoint will be disabled.';

create or replace view relay.endpoint_health as
select
  e.id as endpoint_id,
  e.url,
  case when e.removed_at is not null then 'removed' else e.state end as state,
  lately.success_ratio,
  coalesce(lately.attempts, 0) as attempts,
  coalesce(now_waiting.pending, 0) as pending,
  coalesce(now_waiting.retrying, 0) as retrying,
  coalesce(now_waiting.held, 0) as held,
  coalesce(now_waiting.dead, 0) as dead,
  now_waiting.oldest_waiting,
  coalesce(k.breaker, 'closed') as breaker,
  k.paused_until,
  k.failing_since
from relay.endpoint e
left join relay.endpoint_condition k on k.endpoint_id = e.id
left join (
  select
    endpoint_id,
    count(*) as attempts,
    round(count(*) filter (where outcome = 'delivered')::numeric / count(*), 4) as success_ratio
  from relay.attempt
  where attempted_at > now() - interval '5 minutes'
  group by endpoint_id
) lately on lately.endpoint_id = e.id
left join (
  select
    s.endpoint_id,
    count(*) filter (where s.state in ('pending', 'in_flight')) as pending,
    count(*) filter (where s.state = 'retrying') as retrying,
    count(*) filter (where s.state = 'held') as held,
    count(*) filter (where s.state = 'dead') as dead,
    min(s.created_at) filter (where s.state in ('pending', 'in_flight', 'retrying', 'held')) as oldest_waiting
  from relay.delivery_status s
  where s.state in ('pending', 'in_flight', 'retrying', 'held', 'dead')
  group by s.endpoint_id
) now_waiting on now_waiting.endpoint_id = e.id;
