-- Events that match, the newest first, from a place on; looks at so many at most.
--
-- Every row says how far the look went, and there is one without an event if it found none: `reached_id` is the last
-- event that was looked at, null when there is nothing left to look at.
-- A tenant's events are found by their index. Of those without a tenant there is none, so they are told apart
-- afterwards, as with all that has no index: what is looked at stays bounded.
--
-- $1 event_type: a type, or a pattern such as invoice.*; null for all
-- $2 tenant: only of this one; null for all
-- $3 since: only those inserted then or later; null for all
-- $4 until: only those inserted before; null for all
-- $5 ordering_key: only with it; null for all
-- $6 dedupe_key: only with it; null for all
-- $7 before_seq: from before this place; null from the newest
-- $8 first_seq: none before this place
-- $9 look: at most so many are looked at
-- $10 number: at most so many are found
with looked as materialized (
  select
    seq, id, event_type, tenant, ordering_key, sequence, endpoint_id, deliver_at, expires_at, dedupe_key, created_at,
    expunged_at
  from relay.outbox
  where ($7::bigint is null or seq < $7)
    and seq >= $8::bigint
    and ($2::text is null or ($2 = '' and $6::text is null) or tenant = $2)
    and ($2 is null or $6 is null or dedupe_key = $6)
  order by seq desc
  limit $9::bigint
),
reached as (
  select case when count(*) = $9 then min(seq) end as seq
  from looked
),
found as (
  select l.*
  from looked l
  where (
      $1::text is null
      or event_type = $1
      or $1 = '*'
      or ($1 like '%.*' and starts_with(event_type, left($1, -1)))
    )
    and ($2 is null or tenant = $2)
    and ($3::timestamptz is null or created_at >= $3)
    and ($4::timestamptz is null or created_at < $4)
    and ($5::text is null or ordering_key = $5)
    and ($6 is null or dedupe_key = $6)
  order by seq desc
  limit $10::bigint
)
select
  r.seq as reached_seq,
  (select id from looked where seq = r.seq) as reached_id,
  f.seq, f.id, f.event_type, f.tenant, f.ordering_key, f.sequence, f.endpoint_id, f.deliver_at, f.expires_at,
  f.dedupe_key, f.created_at, f.expunged_at,
  exists (select from relay.cancellation c where c.event_id = f.id) as is_cancelled
from reached r
left join found f on true
order by f.seq desc
