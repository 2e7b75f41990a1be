-- Write the outcomes of a batch of attempts: log each, delete what is delivered, schedule or end the rest.
--
-- A released delivery keeps the gap between claim and recorded that it came with: it was not sent, so it proved nothing.
-- Fence: an outcome changes its delivery only while `claim` is still the one it was claimed with and it is ours. The
-- attempt is logged whether or not the fence holds (`stale` says that it changed nothing), under a key of its own, so
-- recording again is harmless; what was recorded before is returned as that, and not as stale. A delivery that somebody
-- else holds locked, or changed between the snapshot and the lock, is not waited for: it is returned, and its outcome
-- comes with a later batch.
--
-- Each is found by its key and changed at its place, whatever the planner believes of the sizes: hence the limits of 1
-- and the places. A plan made while the table was all but empty would else walk all of it for each outcome.
--
-- What has no free text comes as the text of an array, which costs the driver an eighth.
--
-- $1 event_seqs: the deliveries
-- $2 endpoint_ids: of the same deliveries
-- $3 claims: the claim that each outcome belongs to
-- $4 instance: who we are
-- $5 outcomes: delivered, retrying, dead, held, cancelled or released
-- $6 reasons: of dead and held
-- $7 delays: seconds until the next attempt, counted from $8
-- $8 ended_at: microseconds since the epoch at which the attempt ended
-- $9 logged: whether a request was made, so that the log gets a row
-- $10 charged: whether it counts as an attempt
-- $11 attempts: its number
-- $12 attempted_at: microseconds since the epoch at which the request began
-- $13 durations: milliseconds
-- $14 status_codes: of the response, if one came
-- $15 error_codes: if it failed
-- $16 errors: the same for people
-- $17 urls: where requests went, each once
-- $18 url_places: which of them, from 1
-- $19 request_headers: JSON text
-- $20 response_headers: JSON text
-- $21 response_bodies: text
-- $22 trigger_types: automatic, manual, replay or test
-- $23 delivered_before: sent again on request; whatever comes, it stays delivered
with o as materialized (
  select
    o.event_seq, o.endpoint_id, o.claim, o.outcome, o.reason, o.logged, o.charged, o.attempt, o.duration,
    o.status_code, o.error_code, o.error, o.request_headers, o.response_headers, o.response_body, o.trigger_type,
    o.delivered_before,
    ($17::text[])[o.url_place] as url,
    to_timestamp(o.attempted / 1e6) as attempted_at,
    to_timestamp(o.ended / 1e6) + o.delay * interval '1 second' as next_attempt_at
  from unnest(
    $1::text::bigint[], $2::text::uuid[], $3::text::integer[], $5::text::text[], $6::text::text[],
    $7::text::double precision[], $8::text::bigint[], $9::text::boolean[], $10::text::boolean[], $11::text::integer[],
    $12::text::bigint[], $13::text::integer[], $14::text::integer[], $15::text::text[], $16::text[],
    $18::text::integer[], $19::text[], $20::text[], $21::text[], $22::text::text[], $23::text::boolean[]
  ) as o(
    event_seq, endpoint_id, claim, outcome, reason, delay, ended, logged, charged, attempt,
    attempted, duration, status_code, error_code, error, url_place, request_headers, response_headers, response_body,
    trigger_type, delivered_before
  )
),
locked as materialized (
  select o.*, d.place
  from o
  cross join lateral (
    select ctid as place
    from relay.delivery
    where event_seq = o.event_seq
      and endpoint_id = o.endpoint_id
      and claim = o.claim
      and claimed_by = $4::bigint
    limit 1
    for update skip locked
  ) as d
),
deleted as (
  delete from relay.delivery
  where ctid = any(
    array(select place from locked where outcome = 'delivered' or (delivered_before and outcome <> 'released')))
  returning event_seq, endpoint_id
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
    window_started_at = coalesce(d.window_started_at, case when l.charged then l.attempted_at end),
    next_attempt_at = case when l.outcome in ('retrying', 'released') then l.next_attempt_at end,
    last_status_code = case when l.logged then l.status_code else d.last_status_code end,
    last_error_code = case when l.logged then l.error_code else d.last_error_code end,
    last_error = case when l.logged then l.error else d.last_error end,
    ended_at = case when l.outcome in ('dead', 'cancelled') then now() end
  from locked l
  where d.ctid = l.place
    and not (l.outcome = 'delivered' or (l.delivered_before and l.outcome <> 'released'))
  returning d.event_seq, d.endpoint_id
),
done as materialized (
  select event_seq, endpoint_id
  from deleted
  union all
  select event_seq, endpoint_id
  from changed
),
-- Few or none: whether they are ours is asked only of those that were not changed.
missed as materialized (
  select o.event_seq, o.endpoint_id, o.claim, o.attempted_at, d.event_seq is not null as postponed
  from o
  left join done using (event_seq, endpoint_id)
  left join lateral (
    select event_seq
    from relay.delivery
    where event_seq = o.event_seq
      and endpoint_id = o.endpoint_id
      and claim = o.claim
      and claimed_by = $4::bigint
      and done.event_seq is null
    limit 1
  ) as d on true
  where done.event_seq is null
),
noted as (
  insert into relay.attempt (
    event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, status_code, stale, ended, outcome,
    trigger_type, error_code, error, url, request_headers, response_headers, response_body, next_attempt_at)
  select
    o.event_seq,
    o.endpoint_id,
    o.claim,
    o.attempted_at,
    o.attempt,
    o.duration,
    o.status_code,
    m.event_seq is not null,
    m.event_seq is null and o.outcome in ('delivered', 'dead') and not o.delivered_before,
    o.outcome,
    o.trigger_type,
    o.error_code,
    o.error,
    o.url,
    o.request_headers::json,
    o.response_headers::json,
    o.response_body,
    case when o.outcome = 'retrying' and not o.delivered_before then o.next_attempt_at end
  from o
  left join missed m using (event_seq, endpoint_id)
  where o.logged
    and m.postponed is not true
  on conflict do nothing
)
select
  m.event_seq,
  m.endpoint_id,
  case when m.postponed then 'postponed' when before.event_seq is not null then 'recorded' else 'stale' end as what
from missed m
left join lateral (
  select event_seq
  from relay.attempt
  where event_seq = m.event_seq
    and endpoint_id = m.endpoint_id
    and claim = m.claim
    and attempted_at = m.attempted_at
    and not stale
  limit 1
) as before on true
