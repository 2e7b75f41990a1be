-- Write the outcomes of a batch of attempts: log each, delete what is delivered, schedule or end the rest.
--
-- A released delivery keeps the gap between claim and recorded that it came with: it was not sent, so it proved nothing.
-- Fence: an outcome changes its delivery only while `claim` is still the one it was claimed with and it is ours. The
-- attempt is logged whether or not the fence holds (`stale` says that it changed nothing), under a key of its own, so
-- recording again is harmless. A delivery that somebody else holds locked is not waited for: it is returned, and its
-- outcome comes with a later batch.
--
-- $1 event_seqs: the deliveries
-- $2 endpoint_ids: of the same deliveries
-- $3 claims: the claim that each outcome belongs to
-- $4 instance: who we are
-- $5 outcomes: delivered, retrying, dead, held, cancelled or released
-- $6 reasons: of dead and held
-- $7 delays: seconds until the next attempt, counted from $8
-- $8 ended_at: epoch seconds at which the attempt ended
-- $9 logged: whether a request was made, so that the log gets a row
-- $10 charged: whether it counts as an attempt
-- $11 attempts: its number
-- $12 window_starts: epoch seconds of the first charged attempt of the window
-- $13 attempted_at: epoch seconds at which the request began
-- $14 durations: milliseconds
-- $15 status_codes: of the response, if one came
-- $16 error_codes: if it failed
-- $17 errors: the same for people
-- $18 urls: where it went
-- $19 request_headers: JSON text
-- $20 response_headers: JSON text
-- $21 response_bodies: text
-- $22 trigger_types: automatic, manual, replay or test
-- $23 delivered_before: sent again on request; whatever comes, it stays delivered
with o as materialized (
  select
    o.*,
    to_timestamp(o.ended) + o.delay * interval '1 second' as next_attempt_at
  from unnest(
    $1::bigint[], $2::uuid[], $3::integer[], $5::text[], $6::text[], $7::double precision[], $8::double precision[],
    $9::boolean[], $10::boolean[], $11::integer[], $12::double precision[], $13::double precision[], $14::integer[],
    $15::integer[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[],
    $23::boolean[]
  ) as o(
    event_seq, endpoint_id, claim, outcome, reason, delay, ended,
    logged, charged, attempt, window_start, attempted, duration,
    status_code, error_code, error, url, request_headers, response_headers, response_body, trigger_type,
    delivered_before
  )
),
ours as materialized (
  select d.event_seq, d.endpoint_id
  from o
  join relay.delivery d using (event_seq, endpoint_id)
  where d.claim = o.claim
    and d.claimed_by = $4::bigint
),
locked as materialized (
  select o.*
  from o
  join relay.delivery d using (event_seq, endpoint_id)
  where d.claim = o.claim
    and d.claimed_by = $4::bigint
  for update of d skip locked
),
postponed as materialized (
  select event_seq, endpoint_id from ours
  except
  select event_seq, endpoint_id from locked
),
deleted as (
  delete from relay.delivery d
  using locked l
  where d.event_seq = l.event_seq
    and d.endpoint_id = l.endpoint_id
    and (l.outcome = 'delivered' or (l.delivered_before and l.outcome <> 'released'))
),
changed as (
  update relay.delivery d
  set
    state = case l.outcome when 'released' then d.state else l.outcome end,
    reason = l.reason,
    claimed_by = null,
    recorded = case l.outcome when 'released' then d.recorded + 1 else d.claim end,
    attempt = case when l.charged then l.attempt else d.attempt end,
    window_attempt = d.window_attempt + case when l.charged then 1 else 0 end,
    window_started_at = coalesce(d.window_started_at, case when l.charged then to_timestamp(l.window_start) end),
    next_attempt_at = case when l.outcome in ('retrying', 'released') then l.next_attempt_at end,
    last_status_code = case when l.logged then l.status_code else d.last_status_code end,
    last_error_code = case when l.logged then l.error_code else d.last_error_code end,
    last_error = case when l.logged then l.error else d.last_error end,
    ended_at = case when l.outcome in ('dead', 'cancelled') then now() end
  from locked l
  where d.event_seq = l.event_seq
    and d.endpoint_id = l.endpoint_id
    and not (l.outcome = 'delivered' or (l.delivered_before and l.outcome <> 'released'))
),
noted as (
  insert into relay.attempt (
    event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code, stale, ended, outcome,
    trigger_type, error_code, error, url, request_headers, response_headers, response_body, next_attempt_at)
  select
    o.event_seq,
    o.endpoint_id,
    o.claim,
    to_timestamp(o.attempted),
    o.attempt,
    o.duration,
    o.status_code,
    l.event_seq is null,
    l.event_seq is not null and o.outcome in ('delivered', 'dead') and not o.delivered_before,
    o.outcome,
    o.trigger_type,
    o.error_code,
    o.error,
    o.url,
    o.request_headers::json,
    o.response_headers::json,
    o.response_body,
    case when o.outcome = 'retrying' then o.next_attempt_at end
  from o
  left join locked l using (event_seq, endpoint_id)
  left join postponed p using (event_seq, endpoint_id)
  where o.logged
    and p.event_seq is null
  on conflict do nothing
)
select event_seq, endpoint_id, 'postponed' as what
from postponed
union all
select o.event_seq, o.endpoint_id, 'stale'
from o
left join ours m using (event_seq, endpoint_id)
where m.event_seq is null
