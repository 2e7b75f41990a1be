-- Select events that endpoints subscribe to now and never had, for a replay. Returns how many deliveries that makes.
--
-- Relies on the log being whole since $5: an event may have been delivered of which the log no longer tells. What waits
-- to be fanned out is not missing. Filters on payloads are not judged here: the caller takes away what they keep out.
--
-- $1 operation_id: the operation
-- $2 endpoint_id: only this endpoint; null for all
-- $3 event_type: a type, or a pattern such as invoice.*; null for all
-- $4 tenant: only of this one; null for all
-- $5 since: only of events inserted then or later
-- $6 until: only of events inserted before; null for all
-- $7 event_seqs: only of these events; null for all
with subscribed as (
  select o.seq, e.id as endpoint_id
  from relay.endpoint e
  join relay.outbox o on o.tenant = e.tenant
  where e.removed_at is null
    and ($2::uuid is null or e.id = $2)
    and (o.endpoint_id is null or o.endpoint_id = e.id)
    and (
      o.endpoint_id is not null
      or exists (
        select from unnest(e.event_types) as pattern
        where pattern = o.event_type
          or pattern = '*'
          or (pattern like '%.*' and starts_with(o.event_type, left(pattern, -1)))
      )
    )
    and o.expunged_at is null
    and (o.expires_at is null or o.expires_at > now())
    and (
      $3::text is null
      or o.event_type = $3
      or $3 = '*'
      or ($3 like '%.*' and starts_with(o.event_type, left($3, -1)))
    )
    and ($4::text is null or o.tenant = $4)
    and o.created_at >= $5::timestamptz
    and ($6::timestamptz is null or o.created_at < $6)
    and ($7::bigint[] is null or o.seq = any($7))
    and not exists (select from relay.cancellation c where c.event_id = o.id)
),
missing as (
  select s.seq, s.endpoint_id
  from subscribed s
  where not exists (select from relay.delivery d where d.event_seq = s.seq and d.endpoint_id = s.endpoint_id)
    and not exists (
      select from relay.attempt a
      where a.event_seq = s.seq and a.endpoint_id = s.endpoint_id and a.attempted_at >= $5)
    and not exists (select from relay.fresh f where f.seq = s.seq)
    and not exists (select from relay.unrouted u where u.event_seq = s.seq and u.reason = 'unprocessable')
),
chosen as (
  insert into relay.operation_delivery (operation_id, event_seq, endpoint_id)
  select $1::bigint, seq, endpoint_id
  from missing
  on conflict do nothing
  returning 1
)
select count(*) as number
from chosen
