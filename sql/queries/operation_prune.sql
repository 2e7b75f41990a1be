-- Forget operations that were prepared and never started, and those that ended long ago.
--
-- $1 prepared: seconds after which the former are forgotten
-- $2 ended: seconds after which the latter are
with forgotten as (
  delete from relay.operation
  where (state = 'prepared' and created_at < now() - $1::double precision * interval '1 second')
    or ended_at < now() - $2::double precision * interval '1 second'
  returning id
)
delete from relay.operation_delivery
where operation_id in (select id from forgotten)
