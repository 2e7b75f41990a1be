-- The next events that may be over, locked; with the last one looked at, where the next call goes on. No row: that was all.
--
-- What somebody else holds locked is passed over, and counted. What is over is asked again with the lock held, by another
-- statement: somebody may schedule a delivery anew between this one's snapshot and its locks.
--
-- $1 after_seq: the last event of the call before
-- $2 number: at most so many are looked at
-- $3 before: only events inserted before
-- $4 dead_before: and of whose deliveries none is there that waits, is held, or ended then or later
with page as materialized (
  select seq, created_at
  from relay.outbox
  where seq > $1::bigint
  order by seq
  limit $2::bigint
),
last as (
  select max(seq) as seq, min(created_at) >= $3::timestamptz as are_young
  from page
  having count(*) > 0
),
candidate as materialized (
  select p.seq
  from page p
  where p.created_at < $3
    and not exists (
      select from relay.delivery d
      where d.event_seq = p.seq
        and (d.state not in ('dead', 'cancelled') or d.ended_at is null or d.ended_at >= $4::timestamptz)
    )
),
held as materialized (
  select array(
    select o.seq
    from relay.outbox o
    where o.seq in (select seq from candidate)
    order by o.seq
    for update skip locked
  ) as seqs
)
select
  last.seq as last_seq,
  last.are_young,
  held.seqs as event_seqs,
  (select count(*) from candidate) - cardinality(held.seqs) as passed_over
from last
cross join held
