-- Write down how many deliveries an operation has that was prepared. Returns it.
--
-- $1 operation_id: the operation
update relay.operation o
set total = (select count(*) from relay.operation_delivery where operation_id = o.id)
where id = $1::bigint
  and state = 'prepared'
returning total
