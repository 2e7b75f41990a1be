-- Take back an operation that was prepared and not started.
--
-- $1 operation_id: the operation
with forgotten as (
  delete from relay.operation
  where id = $1::bigint
    and state = 'prepared'
  returning id
)
delete from relay.operation_delivery
where operation_id in (select id from forgotten)
