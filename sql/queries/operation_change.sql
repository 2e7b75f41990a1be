-- Start, pause, resume or cancel an operation, if it is in one of the states from which that can be done. Returns its
-- state, and whether it was changed; no row if there is none.
--
-- What was not done with when it is cancelled is left as it is.
--
-- $1 operation_id: the operation
-- $2 state: running, paused or cancelled
-- $3 from_states: one of which it has to be in
-- $4 actor: who does it
-- $5 action: for the audit
with changed as (
  update relay.operation
  set
    state = $2::text,
    started_at = coalesce(started_at, case when $2 = 'running' then now() end),
    ended_at = case when $2 = 'cancelled' then now() end
  where id = $1::bigint
    and state = any($3::text[])
  returning id, kind, state, total, taken, selection
),
dropped as (
  delete from relay.operation_delivery
  where operation_id in (select id from changed where state = 'cancelled')
),
noted as (
  insert into relay.audit (actor, action, object, detail)
  select
    $4::text, $5::text, 'operation ' || id,
    json_build_object('kind', kind, 'total', total, 'taken', taken, 'selection', selection)
  from changed
),
woken as (
  select pg_notify('relay_wake', '')
  from changed
  where state = 'running'
)
select state, true as is_changed
from changed
cross join (select count(*) from woken) as w
union all
select state, false
from relay.operation
where id = $1
  and not exists (select from changed)
