-- Put an endpoint into another state, with a row of the audit; return it as it is then, changed or not.
--
-- No row if it does not exist or is removed. Making it active also ends that it is left alone because it failed, or
-- asked for it: the relay sees the change, and an active one that was left alone counts as changed.
--
-- $1 id: the endpoint
-- $2 state: active or paused
-- $3 from_states: it is changed only from one of these
-- $4 actor: who does it
-- $5 action: the audit's word for it
with closed as (
  delete from relay.endpoint_condition
  where endpoint_id = $1::uuid
    and $2::text = 'active'
  returning endpoint_id
),
changed as (
  update relay.endpoint
  set state = $2
  where id = $1
    and removed_at is null
    and (state = any($3::text[]) or exists (select from closed))
  returning *
),
noted as (
  insert into relay.audit (actor, action, object)
  select $4, $5, id::text
  from changed
),
found as (
  select true as is_changed, *
  from changed
  union all
  select false, *
  from relay.endpoint
  where id = $1
    and removed_at is null
    and not exists (select from changed)
)
select
  is_changed,
  id,
  url,
  description,
  tenant,
  event_types,
  filter::text as filter,
  headers::text as headers,
  signature,
  timeout,
  ordered,
  rate_limit,
  max_in_flight,
  retry_schedule,
  store_response_body,
  metadata::text as metadata,
  state,
  disabled_reason,
  created_at,
  updated_at
from found
