-- How many events bypassed the trigger, of which nothing tells that they were ever looked at.
--
-- $1 since: only of events inserted then or later; null for all
select count(*) as number
from relay.outbox o
where not exists (select from relay.fresh f where f.seq = o.seq)
  and not exists (select from relay.delivery d where d.event_seq = o.seq)
  and not exists (select from relay.unrouted u where u.event_seq = o.seq)
  and not exists (select from relay.attempt a where a.event_seq = o.seq)
  and o.expunged_at is null
  and ($1::timestamptz is null or o.created_at >= $1)
