-- Attempts by the time at which they ended.
--
-- The log has an index on when attempts began, so $1 bounds what is read and $2 what is returned.
--
-- $1 began_since: only attempts begun then or later
-- $2 ended_since: only attempts ended then or later
-- $3 endpoint_id: only of this endpoint; null for all
-- $4 event_type: a type, or a pattern such as invoice.*; null for all
-- $5 tenant: only of this one; null for all
-- $6 outcome: only these; null for all
-- $7 status_code: only these; null for all
-- $8 newest: the newest that match, instead of the oldest
-- $9 number: at most so many
with matching as (
  select
    a.event_seq, a.claim, o.id as event_id, o.event_type, a.endpoint_id, a.url, a.attempt, a.trigger_type, a.stale,
    a.status_code, a.error_code, a.error, a.duration_ms, a.attempted_at, a.next_attempt_at, a.outcome,
    a.attempted_at + a.duration_ms * interval '1 millisecond' as ended_at
  from relay.attempt a
  join relay.outbox o on o.seq = a.event_seq
  where a.attempted_at >= $1::timestamptz
    and a.attempted_at + a.duration_ms * interval '1 millisecond' >= $2::timestamptz
    and ($3::uuid is null or a.endpoint_id = $3)
    and (
      $4::text is null
      or o.event_type = $4
      or $4 = '*'
      or ($4 like '%.*' and starts_with(o.event_type, left($4, -1)))
    )
    and ($5::text is null or o.tenant = $5)
    and ($6::text is null or a.outcome = $6)
    and ($7::integer is null or a.status_code = $7)
)
select *
from matching
order by
  case when $8::boolean then ended_at end desc,
  case when not $8 then ended_at end
limit $9::bigint
