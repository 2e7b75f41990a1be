-- Which endpoints have deliveries that have been due for long, and for how many seconds; null: events not fanned out.
--
-- A loose index scan as in due_endpoints: one probe an endpoint, however many deliveries each has. Of the events that are
-- not fanned out so many blocks are read at most, drawn by lot.
--
-- $1 least: only what has been due for so many seconds
-- $2 blocks: how many blocks of relay.fresh to read at most
with recursive walk as (
  (select endpoint_id, next_attempt_at
   from relay.delivery
   where next_attempt_at is not null
     and claimed_by is null
   order by endpoint_id, next_attempt_at
   limit 1)
  union all
  select n.endpoint_id, n.next_attempt_at
  from walk w
  cross join lateral (
    select endpoint_id, next_attempt_at
    from relay.delivery
    where next_attempt_at is not null
      and claimed_by is null
      and endpoint_id > w.endpoint_id
    order by endpoint_id, next_attempt_at
    limit 1
  ) as n
),
fresh as (
  select min(f.seq) as seq
  from relay.fresh as f
    tablesample system (
      least(100.0, 100.0 * $2::integer * current_setting('block_size')::float8
        / greatest(pg_relation_size('relay.fresh'), 1)))
)
select
  endpoint_id,
  extract(epoch from now() - next_attempt_at)::double precision as due_for
from walk
where next_attempt_at <= now() - $1::double precision * interval '1 second'
union all
select
  null,
  extract(epoch from now() - greatest(o.created_at, o.deliver_at))::double precision
from fresh f
cross join lateral (
  select created_at, deliver_at
  from relay.outbox
  where seq = f.seq
  limit 1
) as o
where greatest(o.created_at, o.deliver_at) <= now() - $1 * interval '1 second'
