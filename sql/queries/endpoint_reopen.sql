-- Open a new retry window for the waiting deliveries of an endpoint, at most 1000 a call, by event.
--
-- Time held does not count against the window: this runs before the endpoint, or sending, is resumed. Returns how many
-- were opened, and the last event looked at: where the next call goes on. No row: that was all.
--
-- $1 endpoint_id: about to be resumed
-- $2 after_seq: events up to this one are done
with found as materialized (
  select event_seq, endpoint_id
  from relay.delivery
  where event_seq > $2::bigint
    and endpoint_id = $1::uuid
    and (state = 'retrying' or (state = 'held' and reason is distinct from 'order'))
    and (claimed_by is null or next_attempt_at <= now())
  order by event_seq
  limit 1000
  for update skip locked
),
opened as (
  update relay.delivery d
  set
    state = case when d.attempt = 0 then 'pending' else 'retrying' end,
    reason = null,
    claimed_by = null,
    claim = d.claim + case when d.claimed_by is null then 0 else 1 end,
    recorded = d.claim + case when d.claimed_by is null then 0 else 1 end,
    window_attempt = 0,
    window_started_at = null,
    next_attempt_at = least(d.next_attempt_at, now())
  from found f
  where d.event_seq = f.event_seq
    and d.endpoint_id = f.endpoint_id
)
select max(event_seq) as last_seq, count(*) as opened
from found
having count(*) > 0
