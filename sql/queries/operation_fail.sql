-- End an operation that cannot go on; what it was not done with is left as it is.
--
-- $1 operation_id: the operation
-- $2 detail: why
with failed as (
  update relay.operation
  set
    state = 'failed',
    detail = $2::text,
    ended_at = now()
  where id = $1::bigint
    and state = 'running'
  returning id
)
delete from relay.operation_delivery
where operation_id in (select id from failed)
