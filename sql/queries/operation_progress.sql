-- Write down what became of deliveries that were taken, and end the operation when none is left. Returns its state.
--
-- $1 operation_id: the operation
-- $2 results: of the deliveries, each
-- $3 counts: how many had it
-- $4 after_seq: the last of them: its event; null if there were none
-- $5 after_endpoint: and its endpoint
with news as (
  select result, count
  from unnest($2::text[], $3::bigint[]) as n(result, count)
),
rest as materialized (
  select exists (
    select
    from relay.operation_delivery i
    join relay.operation o on o.id = i.operation_id
    where i.operation_id = $1::bigint
      and (i.event_seq, i.endpoint_id) > (coalesce($4::bigint, o.after_seq), coalesce($5::uuid, o.after_endpoint))
  ) as is_there
),
moved as (
  update relay.operation o
  set
    taken = o.taken + coalesce((select sum(count) from news)::bigint, 0),
    after_seq = coalesce($4, o.after_seq),
    after_endpoint = coalesce($5, o.after_endpoint),
    results = o.results || coalesce(
      (select jsonb_object_agg(result, count + coalesce((o.results ->> result)::bigint, 0)) from news), '{}'),
    state = case when rest.is_there then o.state else 'done' end,
    ended_at = case when not rest.is_there then now() end
  from rest
  where id = $1
    and state = 'running'
  returning id, kind, state, total, taken, results
),
emptied as (
  delete from relay.operation_delivery
  where operation_id in (select id from moved where state = 'done')
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select 'relay', 'operation.done', 'operation ' || id,
    json_build_object('kind', kind, 'total', total, 'taken', taken, 'results', results)
  from moved
  where state = 'done'
)
select state
from moved
