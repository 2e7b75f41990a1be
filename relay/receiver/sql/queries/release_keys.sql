-- Let the first event of each key come, if it is held.
-- To be run after a commit that stored or ended one of the key: so that of two at once the later sees the other.
--
-- $1 source: of the keys
-- $2 keys: to look at
-- $3 strict: one that waits for its next attempt, or for a gap, holds up the later ones
with first as (
  select head.seq
  from unnest($2::text[]) as k (ordering_key)
  cross join lateral (
    select e.seq, e.next_attempt_at
    from relay_inbox.event e
    where e.source = $1::text
    and e.ordering_key = k.ordering_key
    and e.state = 'waiting'
    and ($3::boolean or e.next_attempt_at = 'infinity' or e.next_attempt_at <= clock_timestamp())
    order by coalesce(e.version, 9223372036854775807), e.seq
    limit 1) head
  where head.next_attempt_at = 'infinity'
), free as (
  -- Whoever has it locked is releasing it.
  select e.seq
  from relay_inbox.event e
  join first on first.seq = e.seq
  where e.next_attempt_at = 'infinity'
  for update of e skip locked
)
update relay_inbox.event e
set next_attempt_at = clock_timestamp()
from free
where e.seq = free.seq
