-- End the waiting deliveries of endpoints that are not in the registry: removed, or never there. At most 1000 a call.
--
-- $1 endpoint_ids: endpoints that have scheduled work and that the relay does not know
with found as materialized (
  select d.event_seq, d.endpoint_id
  from relay.delivery d
  where d.endpoint_id = any($1::uuid[])
    and d.next_attempt_at is not null
    and not exists (
      select from relay.endpoint e where e.id = d.endpoint_id and e.removed_at is null
    )
  limit 1000
  for update skip locked
),
changed as (
  update relay.delivery d
  set
    state = 'dead',
    reason = 'endpoint_removed',
    next_attempt_at = null,
    claimed_by = null,
    claim = d.claim + 1,
    recorded = d.claim + 1,
    ended_at = now()
  from found f
  where d.event_seq = f.event_seq
    and d.endpoint_id = f.endpoint_id
  returning d.event_seq, d.endpoint_id
)
select c.event_seq, c.endpoint_id, o.id as event_id, o.event_type
from changed c
left join relay.outbox o on o.seq = c.event_seq
