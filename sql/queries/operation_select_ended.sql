-- Select deliveries that have ended, for a replay: delivered ones by the log, dead ones by their rows. Returns how many.
--
-- $1 operation_id: the operation
-- $2 states: of delivered and dead
-- $3 endpoint_id: only of this endpoint; null for all
-- $4 event_type: a type, or a pattern such as invoice.*; null for all
-- $5 tenant: only of this one; null for all
-- $6 since: only of events inserted then or later; null for all
-- $7 until: only of events inserted before; null for all
-- $8 event_seqs: only of these events; null for all
with events as (
  select o.seq
  from relay.outbox o
  where o.expunged_at is null
    and (
      $4::text is null
      or o.event_type = $4
      or $4 = '*'
      or ($4 like '%.*' and starts_with(o.event_type, left($4, -1)))
    )
    and ($5::text is null or o.tenant = $5)
    and ($6::timestamptz is null or o.created_at >= $6)
    and ($7::timestamptz is null or o.created_at < $7)
    and ($8::bigint[] is null or o.seq = any($8))
    and not exists (select from relay.cancellation c where c.event_id = o.id)
),
matching as (
  select a.event_seq, a.endpoint_id
  from events e
  join relay.attempt a on a.event_seq = e.seq
  where 'delivered' = any($2::text[])
    and a.outcome = 'delivered'
    and a.ended
    and a.trigger_type <> 'test'
    and ($3::uuid is null or a.endpoint_id = $3)
    and ($6::timestamptz is null or a.attempted_at >= $6)  -- an attempt is no older than its event
  union
  select d.event_seq, d.endpoint_id
  from events e
  join relay.delivery d on d.event_seq = e.seq
  where d.state = any($2)
    and d.state = 'dead'
    and not d.delivered_before
    and d.trigger_type <> 'test'
    and ($3 is null or d.endpoint_id = $3)
),
chosen as (
  insert into relay.operation_delivery (operation_id, event_seq, endpoint_id)
  select $1::bigint, m.event_seq, m.endpoint_id
  from matching m
  join relay.endpoint e on e.id = m.endpoint_id and e.removed_at is null
  on conflict do nothing
  returning 1
)
select count(*) as number
from chosen
