-- Which endpoints have scheduled work, and in how many seconds the first of it is due.
--
-- A loose index scan: one probe of the due index an endpoint, however many deliveries each has.
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
)
select
  endpoint_id,
  extract(epoch from next_attempt_at - now())::double precision as due_in
from walk
