-- Make the leases of instances that are gone due at once, instead of at their end.
--
-- Their claims stay unrecorded: what was in hand when a process died, again and again, is told by the gap.
-- What somebody else holds locked is left for another call, and so are the instances as long as there is any.
-- Returns how many leases were returned, and how many were locked.
--
-- $1 instances: ids of instances that are gone
with held as materialized (
  select event_seq, endpoint_id
  from relay.delivery
  where claimed_by = any($1::bigint[])
    and next_attempt_at is not null
),
lost as materialized (
  select event_seq, endpoint_id
  from relay.delivery
  where claimed_by = any($1::bigint[])
    and next_attempt_at is not null
  for update skip locked
),
returned as (
  update relay.delivery d
  set
    claimed_by = null,
    next_attempt_at = now()
  from lost l
  where d.event_seq = l.event_seq
    and d.endpoint_id = l.endpoint_id
  returning 1
),
tally as materialized (
  select
    (select count(*) from lost) as returned,
    (select count(*) from held) - (select count(*) from lost) as locked
),
stopped as (
  update relay.relay_instance
  set state = 'stopped'
  where id = any($1::bigint[])
    and (select locked from tally) = 0
)
select returned, locked
from tally
