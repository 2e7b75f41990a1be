-- End the waiting deliveries of a removed endpoint, at most 1000 a call, by event; what is in flight is left.
--
-- Returns how many were ended, and the last event looked at: where the next call goes on. No row: that was all.
--
-- $1 endpoint_id: removed
-- $2 after_seq: events up to this one are done
with found as materialized (
  select event_seq, endpoint_id, delivered_before
  from relay.delivery
  where event_seq > $2::bigint
    and endpoint_id = $1::uuid
    and state in ('pending', 'retrying', 'held')
    and (claimed_by is null or next_attempt_at <= now())
  order by event_seq
  limit 1000
  for update skip locked
),
dropped as (
  delete from relay.delivery d
  using found f
  where d.event_seq = f.event_seq
    and d.endpoint_id = f.endpoint_id
    and f.delivered_before
),
ended as (
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
    and not f.delivered_before
)
select max(event_seq) as last_seq, count(*) filter (where not delivered_before) as ended
from found
having count(*) > 0
